// Lines for an fd that nobody may read any more: a thread of its own writes them, so that a full
// pipe or a slow terminal holds up nobody else. Beyond a bound lines are left out, counted, and
// told of when somebody reads again. (spdlog 1.10's async logger would wake up every ten seconds
// for nothing, and waits for a stalled reader when it ends.)
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

// The environment of a successor: how many lines of the log its predecessor could not get rid of.
inline constexpr const char* kLeftOutVariable = "HANDOFF_LOG_LEFT_OUT";

class LineWriter {
 public:
  static constexpr std::size_t kMaxWaiting = 256 * 1024;  // bytes
  // For what is left at the end.
  static constexpr Duration kPatience = std::chrono::milliseconds(500);

  // fd outlives the process. left_out: the line that tells of so many. before: so many have been
  // left out already.
  LineWriter(int fd, std::string (*left_out)(std::size_t lines), std::size_t before = 0);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // Any thread.
  void write(std::string line);
  // Until all of it is written, or that patience is over.
  void flush();
  // Of all writers of this process: lines that nobody has read yet, or been told of. Any thread.
  static std::size_t unwritten_lines();

 private:
  struct State;
  std::shared_ptr<State> state_;  // a thread that hangs in a write outlives this object
};

}  // namespace handoff::supervisor
