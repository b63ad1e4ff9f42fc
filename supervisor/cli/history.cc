// `handoff history`: the journal, read from its file, so that it can be read without a supervisor.
#include <iostream>
#include <map>

#include "supervisor/cli/client.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/table.h"
#include "supervisor/host/journal.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string text(const json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string release_of(const json& party) {
  if (!party.is_object()) return "-";
  const std::string digest = short_digest(party.value("digest", ""));
  return text(party.value("release", json())) + " (" + text(party.value("generation", json())) +
         (digest.empty() ? "" : ", " + digest) + ")";
}

// A handoff goes by the name of the command that it was asked for with.
std::string event_of(const json& record) {
  const auto event = record.value("event", "-");
  const auto command = record.value("command", "");
  if (event == "upgrade" && !command.empty()) return command;
  if (event == "went_back") return "rollback";
  return event == "probation_failed" ? "ill" : event;
}

std::string by_of(const json& record) {
  const auto by = record.value("by", "");
  if (by == "probation") return "itself";
  return by == "start" ? by : text(record.value("uid", json()));
}

// What is there to be said beside the columns.
std::string remark(const json& record) {
  if (record.contains("error") && record["error"].is_object()) {
    return record["error"].value("message", "");
  }
  if (record.contains("sentence")) return record.value("sentence", "");
  return record.value("event", "") == "requested" ? record.value("path", "") : "";
}

std::vector<std::string> row(const json& record) {
  std::string moved = "-";
  std::string lost = "-";
  std::string blackout = "-";
  if (record.contains("sessions") && record["sessions"].is_object()) {
    moved = text(record["sessions"].value("moved", json()));
    lost = text(record["sessions"].value("lost", json()));
  }
  if (record.contains("blackout_us") && record["blackout_us"].is_object()) {
    blackout = text(record["blackout_us"].value("max", json())) + " us";
  }
  return {record.value("at", "-"),
          text(record.value("service", json())),
          event_of(record),
          by_of(record),
          release_of(record.value("from", json())),
          release_of(record.value("to", json())),
          record.value("result", "-"),
          moved,
          lost,
          blackout,
          remark(record)};
}

}  // namespace

ExitStatus history_command(const ServiceOptions& options) {
  const auto state = state_path();
  if (!state) return complain(options.json, ExitStatus::kFailed, "state", state.error().message);
  std::vector<std::vector<std::string>> rows{
      {"AT", "SERVICE", "EVENT", "BY", "FROM", "TO", "RESULT", "MOVED", "LOST", "BLACKOUT", ""}};
  using Asked = std::map<std::string, std::size_t>;
  Asked asked;  // by service: the row of a request without an end; a stop is none of it
  const auto read = read_journal(journal_path(*state), [&](const json& record) {
    const std::string service = text(record.value("service", json()));
    if (!options.service.empty() && service != options.service) return;
    if (options.json) {
      std::cout << record.dump() << "\n";
      return;
    }
    // A person wants one line for what was asked and how it ended.
    const auto event = record.value("event", "");
    if (event == "requested") {
      asked[service] = rows.size();
    } else if (const auto before = event == "stop" ? Asked::node_type{} : asked.extract(service)) {
      rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(before.mapped()));
      for (auto& [other, index] : asked) index -= index > before.mapped() ? 1 : 0;
    }
    rows.push_back(row(record));
  });
  if (!read) return complain(options.json, ExitStatus::kFailed, "history", read.error().message);
  if (!options.json) std::cout << table(rows);
  std::cout << std::flush;
  return ExitStatus::kDone;
}

}  // namespace handoff::supervisor
