// All processes of this host, as /proc shows them, with the marks of services (core/kin.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "supervisor/core/kin.h"
#include "supervisor/loop/background.h"

namespace handoff::supervisor {

// report_path: where the supervisor's own services return to. Empty without /proc.
std::vector<ProcessSeen> list_processes(const std::string& report_path);

// Lists them on a thread of its own: /proc waits where a process holds its memory locked.
class ProcessList {
 public:
  using Then = std::function<void(const std::vector<ProcessSeen>&)>;
  // Where /proc says nothing for so long, nothing is known: a service is not to wait for a process
  // that hangs.
  static constexpr Duration kPatience = std::chrono::seconds(2);
  // A list reads four files of each process: many services that end at once share one.
  static constexpr Duration kSoon = std::chrono::seconds(1);

  ProcessList(uv_loop_t* loop, std::string report_path);
  ProcessList(const ProcessList&) = delete;
  ProcessList& operator=(const ProcessList&) = delete;

  // What is there after this call; then is called on the loop. Empty if that can't be known.
  void list(Then then);
  // Within kSoon: for what does not hurry.
  void list_soon(Then then);

 private:
  void begin();
  void give_up();

  std::string report_path_;
  std::vector<Then> waiting_;       // for the next list
  std::vector<Then> unhurried_;     // for that one too, or for one at soon_
  std::vector<Then> served_;        // by the one that is being made
  std::vector<ProcessSeen> found_;  // the thread's while it is busy
  Timer patience_;
  Timer soon_;
  Background thread_;  // goes first
};

}  // namespace handoff::supervisor
