// For how long nobody serves a session at the switch.
//
// The service's own account is the time from the freeze until the heir's loop runs with every
// socket armed. The clients' account comes from a process of their own that asks all the time; the
// load before the upgrade is what it is compared with.
//
//   idle      nothing but probes, one after the other, each on another session
//   one core  so many requests under way that the service never rests. Each costs the service more
//   than
//             the client, so the service's core is full, and the clients' is not
//   all       as many requests, which cost both sides alike, so that two cores are full: a handoff
//             takes its time from the clients. The table tells how much. The targets for what is
//             answered are for the two loads above.
#include <optional>

#include "benches.h"
#include "clock.h"
#include "herd.h"
#include "process_figures.h"
#include "sockets.h"
#include "subject.h"

namespace bench {
namespace {

constexpr double kProbesPerSecond = 4000;
constexpr std::size_t kBusyRequests = 64;
constexpr const char* kPasses = "32";  // over 1 KiB: about 50 us
constexpr std::size_t kMany = 19000;
constexpr std::size_t kFew = 1000;

// With one core busy, so many upgrades for each one of another load. On this load the host's share
// of one core decides how much is answered, which differs by 3 % from run to run. The target allows
// a handoff to cost no more than that, so it needs more runs.
constexpr int kMoreRuns = 3;

enum class Load { kIdle, kBusy };

// One upgrade under load. Latencies in microseconds.
struct Run {
  Upgraded upgraded;
  std::vector<double> before;  // sent in the second before the command
  std::vector<double> around;  // sent in the second around the switch
  std::vector<double> frozen;  // not answered at the freeze, or sent in it: from then on
  double answered_before = 0;  // in a second
  double answered_around = 0;
  double cores = 0;         // that the service used before
  double client_cores = 0;  // and all its clients
};

class Bench {
 public:
  Bench(std::size_t sessions, bool quick, const char* passes = "0")
      : second_(quick ? 100'000'000 : 1'000'000'000),
        subject_("bench_service", {"--state", "1024", "--passes", passes}),
        sessions_(sessions) {
    clients_.connect(subject_.port(), sessions);
    subject_.wait_for_sessions(sessions);
    subject_.upgrade();
  }

  Run run(Load load) {
    subject_.settle();
    if (load == Load::kIdle) {
      clients_.load_at_rate(kProbesPerSecond);
    } else {
      clients_.load_with(std::min(kBusyRequests, sessions_ / 2), false);
    }
    rest(second_ / 5);  // by then the load is steady
    Run run;
    const pid_t service = subject_.supervisor().service_pid();
    const std::uint64_t cpu = cpu_ns(service);
    const std::uint64_t client_cpu = cpu_ns(clients_.pid());
    const std::uint64_t begun = now_ns();
    rest(2 * second_);
    const auto elapsed = static_cast<double>(now_ns() - begun);
    run.cores = static_cast<double>(cpu_ns(service) - cpu) / elapsed;
    run.client_cores = static_cast<double>(cpu_ns(clients_.pid()) - client_cpu) / elapsed;
    run.upgraded = subject_.upgrade();
    rest(second_);
    take(clients_.stop(), begun, run);
    return run;
  }

 private:
  void take(const std::vector<Sample>& samples, std::uint64_t begun, Run& run) const {
    const std::uint64_t frozen = run.upgraded.frozen_ns;
    const std::uint64_t running = run.upgraded.running_ns;
    const std::uint64_t command = run.upgraded.sent_ns;
    const std::uint64_t from = (frozen + running - second_) / 2;
    const auto within = [](std::uint64_t at, std::uint64_t first, std::uint64_t last) {
      return first <= at && at < last;
    };
    for (const Sample& s : samples) {
      if (s.answered_ns == 0) throw std::runtime_error("blackout: a request was not answered");
      const auto us = [&s](std::uint64_t since) {
        return static_cast<double>(s.answered_ns - since) / 1000;
      };
      if (within(s.sent_ns, command - second_, command)) run.before.push_back(us(s.sent_ns));
      if (within(s.sent_ns, from, from + second_)) run.around.push_back(us(s.sent_ns));
      if (s.answered_ns > frozen && s.sent_ns < running) {
        run.frozen.push_back(us(std::max(frozen, s.sent_ns)));
      }
      if (within(s.answered_ns, begun, begun + 2 * second_)) run.answered_before += 0.5;
      if (within(s.answered_ns, from, from + second_)) ++run.answered_around;
    }
  }

  std::uint64_t second_;
  Subject subject_;
  Herd clients_;
  std::size_t sessions_;
};

std::vector<double> reported(const std::vector<Run>& runs) {
  std::vector<double> out;
  for (const Run& run : runs) out.push_back(run.upgraded.blackout_p999);
  return out;
}

std::vector<double> each(const std::vector<Run>& runs, double Run::*member) {
  std::vector<double> out;
  for (const Run& run : runs) out.push_back(run.*member);
  return out;
}

void tell(Report& report, const std::string& name, const std::string& load,
          const std::vector<Run>& runs, double limit_us, std::optional<Target> answered) {
  Row row = alone("blackout", name + ", " + load + ", p99.9", Unit::kMicroseconds, reported(runs));
  row.target = at_most(limit_us);
  report.add(std::move(row));
  row = paired("blackout", "answered in a second, " + load, Unit::kPerSecond, "before",
               each(runs, &Run::answered_before), each(runs, &Run::answered_around));
  row.target = answered;
  const auto core = [&](double Run::*member) {
    return format(quantile(each(runs, member), 0.5), Unit::kRatio);
  };
  row.note =
      "before, of a core: service " + core(&Run::cores) + ", clients " + core(&Run::client_cores);
  report.add(std::move(row));
}

// Percentiles over all runs together, since one run has too few requests.
std::vector<std::string> line(const std::string& load, const std::string& when,
                              const std::vector<Run>& runs, std::vector<double> Run::*member) {
  std::vector<double> all;
  for (const Run& run : runs) all.insert(all.end(), (run.*member).begin(), (run.*member).end());
  std::vector<std::string> out = {load, when, std::to_string(all.size())};
  for (const double share : {0.5, 0.99, 0.999, 1.0}) {
    out.push_back(all.empty() ? "-" : format(quantile(all, share), Unit::kMicroseconds));
  }
  return out;
}

}  // namespace

void blackout(const Options& options, Report& report) {
  const std::size_t many = options.sessions(kMany);
  const std::string name = sessions_text(many);
  if (const std::string why = too_many(many); !why.empty()) {
    report.add(not_run("blackout", name, why));
    return;
  }
  std::vector<Run> idle;
  std::vector<Run> one;
  std::vector<Run> all;
  std::vector<Run> few;
  Bench large(many, options.quick);
  Bench working(many, options.quick, kPasses);
  const std::size_t few_sessions = options.sessions(kFew);
  Bench small(few_sessions, options.quick);
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("blackout: run " + std::to_string(run));
    idle.push_back(large.run(Load::kIdle));
    few.push_back(small.run(Load::kIdle));
    for (int i = 0; i < kMoreRuns; ++i) one.push_back(working.run(Load::kBusy));
    all.push_back(large.run(Load::kBusy));
  }
  tell(report, name, "idle", idle, 2000, ratio_at_least(0.95));
  tell(report, name, "one core busy", one, 5000, ratio_at_least(0.95));
  tell(report, name, "all busy", all, 5000, std::nullopt);
  Row row = paired("blackout", "  the same against", Unit::kMicroseconds,
                   sessions_text(few_sessions) + ":", reported(few), reported(idle));
  row.target = ratio_at_most(3);
  report.add(std::move(row));

  Report::Table table{"What clients see of an upgrade of 19,000 sessions, from request to answer",
                      {}};
  table.lines.push_back({"LOAD", "REQUESTS", "COUNT", "P50", "P99", "P99.9", "MAX"});
  for (const auto& [load, runs] :
       {std::pair("idle", &idle), std::pair("one core", &one), std::pair("all", &all)}) {
    table.lines.push_back(line(load, "sent in the second before it", *runs, &Run::before));
    table.lines.push_back(line(load, "sent in the second around the switch", *runs, &Run::around));
    table.lines.push_back(line(load, "under way in the freeze, from then", *runs, &Run::frozen));
  }
  report.table(std::move(table));
}

}  // namespace bench
