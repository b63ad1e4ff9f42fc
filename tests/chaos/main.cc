// handoff-chaos: strikes a real supervisor and real services at every failpoint, and checks every
// byte that their clients get. See scripts/chaos --help.
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iostream>

#include "matrix.h"
#include "random.h"
#include "runner.h"
#include "siege.h"
#include "soak.h"
#include "surroundings.h"
#include "trial.h"
#include "vault.h"

namespace chaos {
namespace {

using namespace std::chrono_literals;

constexpr auto kLatest = 40ms;  // of --random, after an upgrade's start: longer than most take

struct Options {
  std::string cell, service, victim, blow, point = "*", json_file;
  bool core = false, worker = false, list = false, log = false, surroundings = false, full = false;
  std::size_t jobs = 4, sessions = 0;
  std::string random;
  std::uint64_t seed = static_cast<std::uint64_t>(
      std::chrono::system_clock::now().time_since_epoch().count() % 1'000'000);
  std::size_t upgrades = 0, kills = 0;
};

// 90s, 10m, 2h
std::chrono::seconds parse_duration(const std::string& text) {
  std::size_t end = 0;
  const long n = std::stol(text, &end);
  const std::string unit = text.substr(end);
  if (unit == "s") return std::chrono::seconds(n);
  if (unit == "m") return std::chrono::minutes(n);
  if (unit == "h") return std::chrono::hours(n);
  throw CLI::ValidationError("--random", "give a duration: 90s, 10m, 2h");
}

template <class T>
std::optional<T> choice(const std::string& text, std::optional<T> (*parse)(std::string_view),
                        const char* option) {
  if (text.empty()) return std::nullopt;
  const auto value = parse(text);
  if (!value) throw CLI::ValidationError(option, "\"" + text + "\" is none; see --help");
  return value;
}

Selection selection_of(const Options& options) {
  return {.service = choice(options.service, parse_service, "--service"),
          .victim = choice(options.victim, parse_victim, "--victim"),
          .blow = choice(options.blow, parse_blow, "--blow"),
          .point = options.point,
          .core = options.core};
}

Trial::Options trial_options(const Options& options) {
  Trial::Options out;
  if (options.sessions != 0) out.sessions = options.sessions;
  out.log = options.log;
  return out;
}

SiegeSelection siege_selection_of(const Options& options) {
  if (!options.victim.empty()) {
    throw CLI::ValidationError("--victim", "is of the matrix; with --surroundings say --blow");
  }
  return {.service = choice(options.service, parse_service, "--service"),
          .hit = choice(options.blow, parse_hit, "--blow"),
          .what = options.point,
          .core = options.core};
}

Result try_cell(const Options& options) {
  const Trial::Options trial = trial_options(options);
  if (const auto siege = parse_siege(options.cell)) {
    return run_siege(*siege, {.sessions = trial.sessions, .log = trial.log});
  }
  const auto cell = parse_cell(options.cell);
  if (!cell) {
    throw CLI::ValidationError("--cell",
                               "SERVICE/VICTIM/POINT/BLOW, or one of --surroundings --list");
  }
  return Trial(*cell, trial).run();
}

int run_cell(const Options& options) {
  const Result result = try_cell(options);
  if (options.worker) {
    std::cout << to_json(options.cell, result)
                     .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
              << std::endl;
    return 0;
  }
  std::cout << line(options.cell, result) << std::endl;
  if (!result.log.empty()) std::cout << result.log;
  return result.verdict == Result::Verdict::kFailed ? 1 : 0;
}

std::vector<std::string> worker_arguments(const Options& options) {
  std::vector<std::string> out;
  if (options.sessions != 0) out = {"--sessions", std::to_string(options.sessions)};
  return out;
}

int run_many(const Options& options, Summary& summary, const Runner::Next& next) {
  Runner(options.jobs, worker_arguments(options))
      .run(next, [&](const std::string& cell, const Result& result) {
        std::cout << line(cell, result) << std::endl;
        if (!result.log.empty()) std::cout << result.log;
        summary.add(cell, result);
      });
  std::cout << "\n" << summary.table() << std::flush;
  if (!options.json_file.empty()) {
    std::ofstream(options.json_file)
        << summary.json().dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  }
  return summary.passed() ? 0 : 1;
}

int run_random(const Options& options) {
  const auto until = Clock::now() + parse_duration(options.random);
  std::cout << "seed " << options.seed << std::endl;
  RandomCells cells(options.seed, selection_of(options), kLatest);
  Summary summary;
  return run_many(options, summary, [&]() -> std::optional<std::string> {
    if (Clock::now() >= until) return std::nullopt;
    return name(cells.next());
  });
}

int run_vault(const Options& options) {
  if (!options.victim.empty() && options.victim != "service") {
    throw CLI::ValidationError("--victim", "is \"service\" with --vault: whoever serves");
  }
  VaultOptions vault{.seed = options.seed};
  if (const auto service = choice(options.service, parse_service, "--service")) {
    vault.service = *service;
  }
  if (options.kills != 0) vault.kills = options.kills;
  if (options.sessions != 0) vault.sessions = options.sessions;
  return kill_with_vault(vault) ? 0 : 1;
}

// Whether the run is all that there is: no option has selected something of the matrix.
bool selects_all(const Options& options) {
  return !options.core && options.service.empty() && options.victim.empty() &&
         options.blow.empty() && options.point == "*";
}

int run_table(const Options& options) {
  Summary summary;
  std::vector<std::string> names;
  if (!options.surroundings) {
    const Selection selection = selection_of(options);
    for (const Cell& cell : matrix(selection)) names.push_back(name(cell));
    // A victim or a blow alone may leave a point without a cell, all victims must not.
    if (!selection.victim) summary.require_points(selected_points(selection));
  }
  if (options.surroundings || selects_all(options)) {
    for (const Siege& siege : sieges(siege_selection_of(options))) names.push_back(name(siege));
  }
  if (options.list) {
    for (const std::string& cell : names) std::cout << cell << "\n";
    return 0;
  }
  auto cell = names.begin();
  return run_many(options, summary, [&]() -> std::optional<std::string> {
    return cell == names.end() ? std::nullopt : std::optional(*cell++);
  });
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Strikes donor, heir and supervisor of a real upgrade at every failpoint, under traffic of\n"
      "which every byte is checked; and what surrounds it: the log, disks, files, operations.\n"
      "Without arguments: the whole matrix and then all surroundings, one line a cell.\n"
      "A cell is SERVICE/VICTIM/POINT/BLOW, say echo/heir/donor.release.sent/kill, or\n"
      "SERVICE/surroundings/WHAT/BLOW, say echo/surroundings/stalled-log/supervisor.\n"
      "Exit status: 0 if every cell is as the fault table says, 1 if not, 2 for a wrong usage.");
  app.add_option("--cell", options.cell, "only this cell, with the supervisor's log if it fails");
  app.add_flag(
      "--core", options.core,
      "SIGKILL to each single victim at each point; with --surroundings, echo's supervisor "
      "killed in each");
  auto* surroundings = app.add_flag("--surroundings", options.surroundings,
                                    "only the surroundings, without the matrix");
  app.add_option("--service", options.service, "echo, kv or echo-tls (echo over TLS 1.3 and 1.2)");
  app.add_option("--victim", options.victim,
                 "donor, heir, supervisor, donor+supervisor or heir+supervisor");
  app.add_option("--point", options.point,
                 "failpoints, or surroundings, that match this pattern: 'donor.*', 'binary-*', "
                 "'heir.@(claim|resumed).*'");
  app.add_option("--blow", options.blow,
                 "kill, stop (longer than every timer) or slow (shorter than any); with "
                 "--surroundings supervisor or service (is killed), or self (upgrade --self)");
  app.add_option("--random", options.random, "strike at random moments, for so long: 90s, 10m, 2h")
      ->excludes(surroundings);
  app.add_option("--seed", options.seed, "of --random and --vault; is printed if not given");
  auto* soaks =
      app.add_option(
             "--soak", options.upgrades,
             "upgrades in a row (1000) on busy connections (200); what is left must not grow")
          ->expected(0, 1)
          ->default_str("1000")
          ->excludes(surroundings);
  app.add_flag("--full-duplex", options.full,
               "with --soak: large requests and replies on each connection, all the time")
      ->needs(soaks);
  app.add_option("--vault", options.kills,
                 "kill a service that has a vault so often (300), at random moments: nobody may "
                 "notice more than a pause")
      ->expected(0, 1)
      ->default_str("300")
      ->excludes(surroundings)
      ->excludes(soaks);
  app.add_option("--jobs", options.jobs, "cells at once")->capture_default_str();
  app.add_option("--sessions", options.sessions, "connections in each cell (24)");
  app.add_option("--json", options.json_file, "write the table and every cell to this file");
  app.add_flag("--log", options.log, "with --cell: the supervisor's log also if nothing is wrong");
  app.add_flag("--list", options.list, "print the cells, run none");
  app.add_flag("--worker", options.worker)->group("");
  try {
    app.parse(argc, argv);
    if (!options.cell.empty()) return run_cell(options);
    if (app.count("--soak") > 0) {
      SoakOptions soaked{.full = options.full};
      if (const auto service = choice(options.service, parse_service, "--service")) {
        soaked.service = *service;
      }
      if (options.upgrades != 0) soaked.upgrades = options.upgrades;
      if (options.sessions != 0) soaked.sessions = options.sessions;
      return soak(soaked) ? 0 : 1;
    }
    if (app.count("--vault") > 0) return run_vault(options);
    return options.random.empty() ? run_table(options) : run_random(options);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::Error& error) {
    app.exit(error);
    return 2;
  }
}

}  // namespace
}  // namespace chaos

int main(int argc, char** argv) {
  // Services whose supervisor was killed become children of this process, which ends them.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  try {
    return chaos::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "handoff-chaos: " << error.what() << std::endl;
    return 1;
  }
}
