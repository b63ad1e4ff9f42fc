// `handoff upgrade` as its operator feels it: from the start of the command to its exit, without
// the phase `start` of its report. That phase, from the supervisor's fork to the service's
// handoff_ready(), is the new release's own.
#include "benches.h"
#include "herd.h"
#include "sockets.h"
#include "subject.h"

namespace bench {

void upgrade(const Options& options, Report& report) {
  const std::size_t sessions = options.sessions(19000);
  const std::string what = sessions_text(sessions) + ", without start";
  if (const std::string why = too_many(sessions); !why.empty()) {
    report.add(not_run("upgrade", what, why));
    return;
  }
  Subject service("bench_service", {"--state", "1024"});
  Herd clients;
  clients.connect(service.port(), sessions);
  service.wait_for_sessions(sessions);
  service.upgrade();
  std::vector<double> without_start;
  std::vector<Upgraded> all;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("upgrade: run " + std::to_string(run));
    all.push_back(service.upgrade());
    without_start.push_back(all.back().total - all.back().start);
  }
  clients.ask_each();
  Row row = alone("upgrade", what, Unit::kMicroseconds, without_start);
  row.target = at_most(100'000);
  report.add(std::move(row));

  const auto phase = [&](const char* name, auto&& of) {
    std::vector<double> values;
    for (const Upgraded& one : all) values.push_back(of(one));
    report.add(alone("upgrade", name, Unit::kMicroseconds, values));
  };
  phase("  start (not counted)", [](const Upgraded& u) { return u.start; });
  phase("  copy", [](const Upgraded& u) { return u.copy; });
  phase("  switch", [](const Upgraded& u) { return u.switched; });
  phase("  retire (nothing is left)", [](const Upgraded& u) { return u.retire; });
}

}  // namespace bench
