// kv, whose one section changes while it is copied: what `plan` foresees of an upgrade under so
// many writers, against what the upgrade then is; and whether an upgrade keeps within its budget at
// all.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "benches.h"
#include "statistics.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"
#include "writers.h"

namespace bench {
namespace {

namespace test = handoff::test;
using nlohmann::json;

constexpr std::size_t kKeyBytes = 10;
constexpr std::size_t kValueBytes = 990;
constexpr double kPerSecond = 20'000;
// Of the estimate and the blackout the greater is at most so many times the other.
constexpr double kFactor = 3;

test::Supervisor::Options kv() {
  test::Supervisor::Options out;
  out.command = {test::program("handoff-kv-1")};
  out.name = "kv";
  return out;
}

class Written {
 public:
  Written(std::size_t connections, const Keys& keys)
      : supervisor_(kv()), writers_(supervisor_.port(), connections, keys) {
    writers_.fill();
  }
  void begin(double per_second) { writers_.begin(per_second); }
  std::uint64_t stop() { return writers_.stop(); }

  // In microseconds; nullopt if the plan says that it can't tell.
  std::optional<double> plan() {
    supervisor_.settle();
    const json said = supervisor_.plan(test::program("handoff-kv-1")).done();
    const json& estimate = said.at("blackout_us").at("estimate");
    if (estimate.is_null()) return std::nullopt;
    return estimate.get<double>();
  }
  test::Supervisor::Outcome upgrade(const std::vector<std::string>& flags = {}) {
    supervisor_.settle();
    return supervisor_.upgrade(test::program("handoff-kv-1"), {}, flags);
  }

 private:
  test::Supervisor supervisor_;
  Writers writers_;
};

double blackout_of(const test::Supervisor::Outcome& outcome) {
  const json done = outcome.done();
  if (outcome.status != 0) throw std::runtime_error("an upgrade failed: " + outcome.describe());
  return done.at("blackout_us").at("max");
}

struct Foreseen {
  std::vector<double> estimates, blackouts, factors;
  std::size_t untold = 0;
};

Foreseen foresee(std::size_t connections, const Keys& keys, std::size_t runs) {
  Foreseen out;
  Written subject(connections, keys);
  subject.begin(kPerSecond);
  for (std::size_t run = 0; run < runs; ++run) {
    const auto estimate = subject.plan();
    // What can't be foreseen may need more than the default.
    const double blackout = blackout_of(subject.upgrade({"--freeze-budget", "5s"}));
    out.blackouts.push_back(blackout);
    if (!estimate) {
      ++out.untold;
      continue;
    }
    out.estimates.push_back(*estimate);
    out.factors.push_back(std::max(blackout / *estimate, *estimate / blackout));
  }
  subject.stop();
  return out;
}

std::string text(const std::vector<double>& of, Unit unit) {
  return of.empty() ? "-" : format(quantile(of, 0.5), unit);
}

void plans(const Options& options, Report& report) {
  Report::Table table{
      .title = "kv at 20,000 SETs a second of 1 kB: what plan says, and what is",
      .lines = {{"SECTION", "WRITERS", "ESTIMATE", "BLACKOUT", "FACTOR", "WORST", "NOT TOLD"}}};
  std::vector<double> worst;
  const std::vector<std::size_t> sizes =
      options.quick ? std::vector<std::size_t>{1} : std::vector<std::size_t>{1, 10, 100, 1000};
  for (const std::size_t megabytes : sizes) {
    for (const std::size_t connections : {1, 50, 200}) {
      const std::string size = std::to_string(megabytes) + " MB";
      Report::progress("writes: " + size + ", " + std::to_string(connections) + " writers");
      const Keys keys{megabytes * 1'000'000 / (kKeyBytes + kValueBytes), kValueBytes};
      const Foreseen found = foresee(connections, keys, options.runs);
      const double most =
          found.factors.empty() ? 0 : *std::max_element(found.factors.begin(), found.factors.end());
      table.lines.push_back({size, std::to_string(connections),
                             text(found.estimates, Unit::kMicroseconds),
                             text(found.blackouts, Unit::kMicroseconds),
                             text(found.factors, Unit::kRatio), format(most, Unit::kRatio),
                             std::to_string(found.untold) + " of " + std::to_string(options.runs)});
      if (!found.factors.empty()) worst.push_back(quantile(found.factors, 0.5));
    }
  }
  Row row = alone("writes", "the estimate and the blackout, greater by less", Unit::kRatio, worst);
  row.target = at_most(kFactor);
  report.add(std::move(row));
  report.table(std::move(table));
}

// Of 10 upgrades each, how many were done.
void budgets(const Options& options, Report& report) {
  const Keys keys{options.quick ? 1'000U : 2'700'000U, 3};
  const std::size_t upgrades = options.quick ? 1 : 10;
  for (const std::size_t connections : {1, 50, 200}) {
    Report::progress("writes: 2,700,000 keys, " + std::to_string(connections) + " writers");
    Written subject(connections, keys);
    subject.begin(80'000);
    std::vector<double> blackouts;
    std::string why;
    for (std::size_t i = 0; i < upgrades; ++i) {
      const test::Supervisor::Outcome outcome = subject.upgrade();
      if (outcome.status == 0) {
        blackouts.push_back(blackout_of(outcome));
      } else {
        why = outcome.done().dump();
      }
    }
    subject.stop();
    const std::string of =
        "2.7 M keys, 80,000 SET/s, " + std::to_string(connections) + " connections";
    Row row =
        alone("writes", of + ": done of 10", Unit::kCount, {static_cast<double>(blackouts.size())});
    row.target = Target{Target::Of::kResult, false, static_cast<double>(upgrades)};
    row.note = why;
    report.add(std::move(row));
    if (!blackouts.empty()) {
      report.add(alone("writes", "  blackout", Unit::kMicroseconds, blackouts));
    }
  }
}

}  // namespace

void writes(const Options& options, Report& report) {
  budgets(options, report);
  plans(options, report);
}

}  // namespace bench
