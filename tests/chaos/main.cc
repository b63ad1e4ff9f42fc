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
#include "soak.h"
#include "trial.h"

namespace chaos {
namespace {

using namespace std::chrono_literals;

constexpr auto kLatest = 40ms;  // of --random, after an upgrade's start: longer than most take

struct Options {
  std::string cell, service, victim, blow, point = "*", json_file;
  bool core = false, worker = false, list = false, log = false;
  std::size_t jobs = 4, sessions = 0;
  std::string random;
  std::uint64_t seed = static_cast<std::uint64_t>(
      std::chrono::system_clock::now().time_since_epoch().count() % 1'000'000);
  std::size_t upgrades = 0;
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

int run_cell(const Options& options) {
  const auto cell = parse_cell(options.cell);
  if (!cell) throw CLI::ValidationError("--cell", "SERVICE/VICTIM/POINT/BLOW");
  const Result result = Trial(*cell, trial_options(options)).run();
  if (options.worker) {
    std::cout
        << to_json(*cell, result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
        << std::endl;
    return 0;
  }
  std::cout << line(*cell, result) << std::endl;
  if (!result.log.empty()) std::cout << result.log;
  return result.verdict == Result::Verdict::kFailed ? 1 : 0;
}

std::vector<std::string> worker_arguments(const Options& options) {
  std::vector<std::string> out;
  if (options.sessions != 0) out = {"--sessions", std::to_string(options.sessions)};
  return out;
}

int run_many(const Options& options, Summary& summary,
             const std::function<std::optional<Cell>()>& next) {
  Runner(options.jobs, worker_arguments(options))
      .run(next, [&](const Cell& cell, const Result& result) {
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
  return run_many(options, summary, [&]() -> std::optional<Cell> {
    if (Clock::now() >= until) return std::nullopt;
    return cells.next();
  });
}

int run_matrix(const Options& options) {
  const Selection selection = selection_of(options);
  const std::vector<Cell> cells = matrix(selection);
  if (options.list) {
    for (const Cell& cell : cells) std::cout << name(cell) << "\n";
    return 0;
  }
  Summary summary;
  // A victim or a blow alone may leave a point without a cell, all victims must not.
  if (!selection.victim) summary.require_points(selected_points(selection));
  auto cell = cells.begin();
  return run_many(options, summary, [&]() -> std::optional<Cell> {
    return cell == cells.end() ? std::nullopt : std::optional(*cell++);
  });
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Strikes donor, heir and supervisor of a real upgrade at every failpoint, under traffic of\n"
      "which every byte is checked. Without arguments: the whole matrix, one line a cell.\n"
      "A cell is SERVICE/VICTIM/POINT/BLOW, say echo/heir/donor.release.sent/kill.\n"
      "Exit status: 0 if every cell is as the fault table says, 1 if not, 2 for a wrong usage.");
  app.add_option("--cell", options.cell, "only this cell, with the supervisor's log if it fails");
  app.add_flag("--core", options.core, "SIGKILL to each single victim at each point");
  app.add_option("--service", options.service, "echo or kv");
  app.add_option("--victim", options.victim,
                 "donor, heir, supervisor, donor+supervisor or heir+supervisor");
  app.add_option("--point", options.point, "failpoints that match this pattern: 'donor.*'");
  app.add_option("--blow", options.blow,
                 "kill, stop (longer than every timer) or slow (shorter than any)");
  app.add_option("--random", options.random, "strike at random moments, for so long: 90s, 10m, 2h");
  app.add_option("--seed", options.seed, "of --random; is printed if not given");
  app.add_option("--soak", options.upgrades,
                 "upgrades in a row (1000) on busy connections (200); what is left must not grow")
      ->expected(0, 1)
      ->default_str("1000");
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
      const auto service = choice(options.service, parse_service, "--service");
      const std::size_t upgrades = options.upgrades == 0 ? 1000 : options.upgrades;
      const std::size_t sessions = options.sessions == 0 ? 200 : options.sessions;
      return soak(service.value_or(Service::kEcho), upgrades, sessions) ? 0 : 1;
    }
    return options.random.empty() ? run_matrix(options) : run_random(options);
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
