#include "supervisor/host/journal_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>

#include "supervisor/base/json_line.h"
#include "supervisor/host/wall_clock.h"

namespace handoff::supervisor {

using nlohmann::json;

JournalWriter::JournalWriter(uv_loop_t* loop, Journal journal, Duration try_again)
    : try_again_(try_again),
      journal_(std::move(journal)),
      again_(loop, [this] { write(); }),
      thread_(loop) {}

void JournalWriter::append(json record, Done done) { add({std::move(record), std::move(done)}); }

void JournalWriter::try_append(json record, Done done) {
  add({std::move(record), std::move(done), true});
}

Result<void> JournalWriter::try_append_now(json record) {
  const auto out = std::make_shared<Result<void>>(fail(-EAGAIN, "the history is being written"));
  try_append(std::move(record), [out](const Result<void>& result) { *out = result; });
  flush();
  return *out;
}

void JournalWriter::add(Waiting one) {
  // When it happened, not when there is room.
  if (!one.record.contains("at")) one.record["at"] = utc(std::chrono::system_clock::now());
  waiting_.push_back(std::move(one));
  give_up_some();
  write();
}

void JournalWriter::flush() {
  while (thread_.busy()) thread_.finish();
}

std::vector<json> JournalWriter::waiting() const {
  std::vector<json> out = on_their_way_;
  for (const Waiting& one : waiting_) out.push_back(one.record);
  return out;
}

void JournalWriter::write() {
  if (waiting_.empty() || thread_.busy() || telling_) return;
  again_.at(std::nullopt);
  journal_.set_limits(limits_);
  auto batch = std::make_shared<std::deque<Waiting>>(std::exchange(waiting_, {}));
  for (const Waiting& one : *batch) on_their_way_.push_back(one.record);
  if (given_up_ > 0) {
    const std::uint64_t count = std::exchange(given_up_, 0);
    json gap{{"event", "gap"}, {"service", nullptr}, {"records", count}};
    const auto not_told = [this, count](const Result<void>& told) {
      if (!told) given_up_ += count;
    };
    batch->push_front({std::move(gap), not_told, true});
  }
  auto results = std::make_shared<std::vector<Result<void>>>();
  std::vector<json> records;
  records.reserve(batch->size());
  for (const Waiting& one : *batch) records.push_back(one.record);
  thread_.run(
      [this, results, records = std::move(records)]() mutable {
        *results = journal_.append_all(std::move(records));
      },
      [this, results, batch] { wrote(std::move(*batch), *results); });
}

void JournalWriter::wrote(std::deque<Waiting> batch, const std::vector<Result<void>>& results) {
  on_their_way_.clear();
  if (const std::string note = journal_.take_note(); !note.empty()) spdlog::warn("{}", note);
  std::deque<Waiting> failed;
  std::string problem;
  std::size_t written = 0;
  // What is appended meanwhile waits until those that failed are before it.
  telling_ = true;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (results[i]) {
      ++written;
    } else {
      problem = results[i].error().message;
      if (!batch[i].once) {
        failed.push_back(std::move(batch[i]));
        continue;
      }
    }
    if (batch[i].done) batch[i].done(results[i]);
  }
  const bool came = !waiting_.empty();
  keep(std::move(failed));
  tell(problem, written);
  telling_ = false;
  if (came) return write();
  if (!waiting_.empty()) again_.at(now() + try_again_);
}

// Before those that came meanwhile.
void JournalWriter::keep(std::deque<Waiting> failed) {
  std::ranges::move(waiting_, std::back_inserter(failed));
  waiting_ = std::move(failed);
  give_up_some();
}

void JournalWriter::give_up_some() {
  while (waiting_.size() > kMostWaiting) {
    const Waiting oldest = std::move(waiting_.front());
    waiting_.pop_front();
    ++given_up_;
    spdlog::error("a record of the history is given up, since too many wait for it: {}",
                  json_line(oldest.record));
    if (oldest.done) oldest.done(fail(-ENOBUFS, "too many records wait for the history"));
  }
}

void JournalWriter::tell(const std::string& problem, std::size_t written) {
  if (problem == problem_) return;
  if (problem.empty()) {
    spdlog::info("the history {} can be written again: {} added", journal_path(journal_.state()),
                 written == 1 ? "1 record is" : std::to_string(written) + " records are");
  } else {
    spdlog::error(
        "{}; what happens is kept in memory, and added once it can be (handoff doctor); {}",
        problem, "services are started, stopped and rolled back all the same");
  }
  problem_ = problem;
}

}  // namespace handoff::supervisor
