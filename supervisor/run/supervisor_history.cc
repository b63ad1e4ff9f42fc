// The part of Supervisor that reads the history when it begins, and settles how it is kept.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "supervisor/base/json_line.h"
#include "supervisor/run/supervisor.h"

namespace handoff::supervisor {

using nlohmann::json;

void Supervisor::set_history(const HistoryConfig& history) {
  history_ = history;
  journal_.set_limits(history.limits);
}

// Reads the history, and adds what the supervisor before this one had not added yet. Returns the
// services whose last record says that something was asked for.
std::set<std::string> Supervisor::catch_up() {
  std::set<std::string> requested;
  const auto note = [&requested](const std::string& name, const json& event) {
    if (event == "requested") {
      requested.insert(name);
    } else if (ends_request(event)) {
      requested.erase(name);
    }
  };
  auto missing = std::exchange(unrecorded_, {});
  for (auto& [name, records] : missing) {
    for (json& record : records) record = json::parse(json_line(record));  // as it reads there
  }
  const auto read = journal_.journal().read_recent([&](const json& record) {
    const json name = record.value("service", json());
    if (!name.is_string()) return;
    note(name, record.value("event", json()));
    if (const auto found = missing.find(name); found != missing.end()) {
      std::erase(found->second, record);
    }
  });
  if (!read) spdlog::warn("{}", read.error().message);
  for (auto& [name, records] : missing) {
    for (json& record : records) {
      note(name, record.value("event", json()));
      if (const auto service = services_.find(name); service != services_.end()) {
        service->second->record_again(std::move(record));
        continue;
      }
      journal_.append(std::move(record), [](const Result<void>& recorded) {
        if (!recorded) spdlog::error("{}", recorded.error().message);
      });
    }
  }
  return requested;
}

}  // namespace handoff::supervisor
