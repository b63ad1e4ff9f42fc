// Copy and switch of live TCP sessions against the floor (floor.h): from the first fd sent to
// Resumed.
//
// The two run in turns, each on its own sockets. The bench first finds the faster carrier for a
// size, and takes that as the floor.
#include "benches.h"
#include "floor.h"
#include "herd.h"
#include "sockets.h"
#include "subject.h"

namespace bench {
namespace {

struct Case {
  std::size_t sessions;
  std::size_t state;
  bool target;
};

struct Series {
  std::vector<double> inlined, memfd, handoff, blackout, total;
};

Series measure(const Options& options, const Case& c, const std::string& what) {
  Subject service("bench_service", {"--state", std::to_string(c.state)});
  Herd clients;
  Herd floor_clients;
  Floor floor(c.sessions, c.state, floor_clients);
  clients.connect(service.port(), c.sessions);
  service.wait_for_sessions(c.sessions);
  service.upgrade();  // not measured: its donor is younger than those of the others
  Series series;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("copy: " + what + ": run " + std::to_string(run));
    series.inlined.push_back(floor.run(Carrier::kInline));
    if (c.state > 0) series.memfd.push_back(floor.run(Carrier::kMemfd));
    const Upgraded upgraded = service.upgrade();
    if (upgraded.moved != c.sessions) throw std::runtime_error("copy: not all sessions have moved");
    series.handoff.push_back(upgraded.transfer);
    series.blackout.push_back(upgraded.blackout_p999);
    series.total.push_back(upgraded.total - upgraded.start);
  }
  clients.ask_each();  // every session must live: losing some would make a copy fast
  return series;
}

}  // namespace

void copy(const Options& options, Report& report) {
  std::vector<Case> cases = {{10000, 0, true},    {19000, 0, true},     {10000, 1024, true},
                             {19000, 1024, true}, {10000, 16384, true}, {19000, 16384, true},
                             {1000, 1024, false}, {5000, 1024, false},  {15000, 1024, false}};
  if (options.quick) cases = {{50, 0, true}, {50, 1024, true}};
  for (const Case& c : cases) {
    const std::string what =
        sessions_text(c.sessions) + ", " + format(static_cast<double>(c.state), Unit::kBytes);
    if (const std::string why = too_many(c.sessions); !why.empty()) {
      report.add(not_run("copy", what, why));
      continue;
    }
    const Series series = measure(options, c, what);
    const bool memfd =
        !series.memfd.empty() && quartiles(series.memfd).median < quartiles(series.inlined).median;
    const std::vector<double>& floor = memfd ? series.memfd : series.inlined;
    Row row = paired("copy", what, Unit::kMicroseconds, memfd ? "floor (memfd)" : "floor (inline)",
                     floor, series.handoff);
    if (c.target) row.target = ratio_at_most(2);
    report.add(std::move(row));
    if (c.state != 1024) continue;
    const auto sessions = static_cast<double>(c.sessions);
    report.point("floor", sessions, quartiles(floor).median);
    report.point("copy and switch", sessions, quartiles(series.handoff).median);
    report.point("upgrade without start", sessions, quartiles(series.total).median);
    report.point("blackout", sessions, quartiles(series.blackout).median);
  }
}

}  // namespace bench
