// `handoff check`: all that is wrong with a configuration, without starting anything.
#include <algorithm>
#include <iostream>
#include <set>

#include "libhandoff/base/text.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/config_source.h"
#include "supervisor/cli/table.h"
#include "supervisor/host/journal.h"
#include "supervisor/run/access_notes.h"
#include "supervisor/run/config_check.h"
#include "supervisor/run/config_notes.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr Duration kPatience = std::chrono::seconds(2);

// Of the supervisor that runs; empty if none does.
json running_services() {
  const Answer answer = ask({{"command", "status"}}, kPatience, true);
  if (answer.failure != ExitStatus::kDone || !answer.last.contains("services")) {
    return json::array();
  }
  return answer.last.at("services");
}

// They are in use, and that is as it should be.
std::set<std::string> held_addresses(const json& services) {
  std::set<std::string> out;
  for (const json& service : services) {
    for (const json& listener : service.at("listeners")) {
      out.insert(listener.at("address").get<std::string>());
      // Of one that moves.
      if (const auto also = listener.find("also"); also != listener.end()) {
        out.insert(also->get<std::string>());
      }
    }
  }
  return out;
}

json lines_json(const std::vector<ConfigProblem>& lines) {
  json out = json::array();
  for (const ConfigProblem& one : lines) {
    json line = nullptr;
    if (one.line > 0) line = one.line;
    out.push_back({{"line", std::move(line)}, {"message", one.why}});
  }
  return out;
}

ExitStatus tell(const CheckOptions& options, const std::string& file, const ReadConfig& read,
                const std::vector<ConfigProblem>& notes) {
  const bool fine = read.problems.empty();
  if (options.json) {
    json services = json::array();
    for (const ServiceConfig& service : read.config.services) services.push_back(service.name);
    std::cout << json{{"result", fine ? "done" : "failed"},
                      {"file", file},
                      {"services", std::move(services)},
                      {"problems", lines_json(read.problems)},
                      {"notes", lines_json(notes)}}
                     .dump()
              << std::endl;
    return fine ? ExitStatus::kDone : ExitStatus::kFailed;
  }
  for (const ConfigProblem& problem : read.problems) {
    std::cerr << "handoff: " << printable(describe(problem, file)) << "\n";
  }
  std::cerr << std::flush;
  for (const ConfigProblem& note : notes) {
    std::cout << "note: " << printable(describe(note, file)) << "\n";
  }
  if (fine) {
    std::cout << file << ": " << counted(read.config.services.size(), "service")
              << ", nothing is wrong\n";
  }
  std::cout << std::flush;
  return fine ? ExitStatus::kDone : ExitStatus::kFailed;
}

}  // namespace

ExitStatus check_command(const CheckOptions& options) {
  const auto path = config_path(options.config);
  if (!path) {
    return complain(options.json, ExitStatus::kFailed, "config",
                    "nothing to check: give --config FILE (" + path.error().message + ")");
  }
  const auto text = read_config_file(*path);
  if (!text) return complain(options.json, ExitStatus::kFailed, "config", text.error().message);
  ReadConfig read = read_config(*text);
  const json services = running_services();
  const auto more = check_config(read.config, held_addresses(services));
  read.problems.insert(read.problems.end(), more.begin(), more.end());
  std::stable_sort(read.problems.begin(), read.problems.end(),
                   [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
  const std::string state = state_path().value_or("");
  auto notes = access_notes(read.config, *path, state);
  const auto others = config_notes(read.config, state, services);
  notes.insert(notes.end(), others.begin(), others.end());
  return tell(options, *path, read, notes);
}

}  // namespace handoff::supervisor
