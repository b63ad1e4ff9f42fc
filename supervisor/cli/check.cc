// `handoff check`: all that is wrong with a configuration, without starting anything.
#include <algorithm>
#include <iostream>
#include <set>

#include "supervisor/cli/client.h"
#include "supervisor/cli/config_source.h"
#include "supervisor/cli/table.h"
#include "supervisor/run/config_check.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr Duration kPatience = std::chrono::seconds(2);

// By the supervisor that runs, if there is one: they are in use, and that is as it should be.
std::set<std::string> held_addresses() {
  std::set<std::string> out;
  const Answer answer = ask({{"command", "status"}}, kPatience);
  if (answer.failure != ExitStatus::kDone || !answer.last.contains("services")) return out;
  for (const json& service : answer.last.at("services")) {
    for (const json& listener : service.at("listeners")) {
      out.insert(listener.at("address").get<std::string>());
    }
  }
  return out;
}

ExitStatus tell(const CheckOptions& options, const std::string& file, const ReadConfig& read) {
  const bool fine = read.problems.empty();
  if (options.json) {
    json problems = json::array();
    for (const ConfigProblem& problem : read.problems) {
      json line = nullptr;
      if (problem.line > 0) line = problem.line;
      problems.push_back({{"line", std::move(line)}, {"message", problem.why}});
    }
    json services = json::array();
    for (const ServiceConfig& service : read.config.services) services.push_back(service.name);
    std::cout << json{{"result", fine ? "done" : "failed"},
                      {"file", file},
                      {"services", std::move(services)},
                      {"problems", std::move(problems)}}
                     .dump()
              << std::endl;
  } else if (fine) {
    std::cout << file << ": " << counted(read.config.services.size(), "service")
              << ", nothing is wrong" << std::endl;
  } else {
    for (const ConfigProblem& problem : read.problems) {
      std::cerr << "handoff: " << describe(problem, file) << "\n";
    }
    std::cerr << std::flush;
  }
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
  const auto more = check_config(read.config, held_addresses());
  read.problems.insert(read.problems.end(), more.begin(), more.end());
  std::stable_sort(read.problems.begin(), read.problems.end(),
                   [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
  return tell(options, *path, read);
}

}  // namespace handoff::supervisor
