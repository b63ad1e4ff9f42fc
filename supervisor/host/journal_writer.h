// Writes the history without holding anybody up: records wait for the disk on a thread, and those
// that come meanwhile are flushed together. Their order stays.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "supervisor/host/journal.h"
#include "supervisor/loop/background.h"

namespace handoff::supervisor {

class JournalWriter {
 public:
  using Done = std::function<void(const Result<void>&)>;

  JournalWriter(uv_loop_t* loop, Journal journal) : journal_(std::move(journal)), thread_(loop) {}
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  const Journal& journal() const { return journal_; }
  // done: it is on the disk, or can't be.
  void append(nlohmann::json record, Done done);
  // The same, before this returns, and so is all that came before.
  Result<void> append_now(nlohmann::json record);
  // All that came is on the disk, or can't be.
  void flush();

 private:
  void write();

  Journal journal_;  // the thread's while it is busy
  std::vector<nlohmann::json> records_;
  std::vector<Done> done_;  // of each of them
  Background thread_;
};

}  // namespace handoff::supervisor
