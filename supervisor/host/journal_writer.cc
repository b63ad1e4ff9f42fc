#include "supervisor/host/journal_writer.h"

#include <spdlog/spdlog.h>

#include <memory>

namespace handoff::supervisor {

using nlohmann::json;

void JournalWriter::append(json record, Done done) {
  records_.push_back(std::move(record));
  done_.push_back(std::move(done));
  if (!thread_.busy()) write();
}

Result<void> JournalWriter::append_now(json record) {
  Result<void> out;
  append(std::move(record), [&out](const Result<void>& result) { out = result; });
  flush();
  return out;
}

void JournalWriter::flush() {
  while (thread_.busy()) thread_.finish();
}

void JournalWriter::write() {
  if (records_.empty()) return;
  auto results = std::make_shared<std::vector<Result<void>>>();
  thread_.run(
      [this, results, records = std::exchange(records_, {})]() mutable {
        *results = journal_.append_all(std::move(records));
      },
      [this, results, done = std::exchange(done_, {})] {
        if (const std::string note = journal_.take_note(); !note.empty()) spdlog::warn("{}", note);
        for (std::size_t i = 0; i < done.size(); ++i) done[i]((*results)[i]);
        write();
      });
}

}  // namespace handoff::supervisor
