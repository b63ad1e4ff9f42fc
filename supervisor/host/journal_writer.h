// Writes the history without holding anybody up: records wait for the disk on a thread, and those
// that come meanwhile are flushed together. Their order stays.
//
// What can't be written (a full disk, say) is kept and tried again, with the next record and by the
// clock, so that the history is whole once there is room. The log says so once, and how many there
// are. Only of the oldest some may be given up, since memory is bounded; a record tells how many.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/host/journal.h"
#include "supervisor/loop/background.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class JournalWriter {
 public:
  using Done = std::function<void(const Result<void>&)>;
  static constexpr std::size_t kMostWaiting = 1000;
  static constexpr Duration kTryAgain = std::chrono::seconds(10);

  JournalWriter(uv_loop_t* loop, Journal journal, Duration try_again = kTryAgain);
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  const Journal& journal() const { return journal_; }
  void set_limits(const JournalLimits& limits) { limits_ = limits; }
  // done: it is on the disk, or was given up.
  void append(nlohmann::json record, Done done);
  // Once: what can't be written now is not kept. done: it is on the disk, or can't be.
  void try_append(nlohmann::json record, Done done);
  Result<void> try_append_now(nlohmann::json record);
  // Each was tried, and is on the disk or waits.
  void flush();
  // Why nothing can be written; "" if all is well, as far as it was tried.
  const std::string& problem() const { return problem_; }
  // The records that are not on the disk, the oldest first.
  std::vector<nlohmann::json> waiting() const;

 private:
  struct Waiting {
    nlohmann::json record;
    Done done;
    bool once = false;
  };
  void add(Waiting one);
  void write();
  void wrote(std::deque<Waiting> batch, const std::vector<Result<void>>& results);
  void keep(std::deque<Waiting> failed);
  void give_up_some();
  void tell(const std::string& problem, std::size_t written);

  const Duration try_again_;
  Journal journal_;  // the thread's while it is busy
  JournalLimits limits_;
  std::deque<Waiting> waiting_;
  std::vector<nlohmann::json> on_their_way_;  // with the thread
  bool telling_ = false;
  std::uint64_t given_up_ = 0;  // since it was told in the history
  std::string problem_;
  Timer again_;
  Background thread_;
};

}  // namespace handoff::supervisor
