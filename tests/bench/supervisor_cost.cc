// The cost of an idle supervisor: its memory with three services, and how often any of its threads
// runs.
#include "benches.h"
#include "clock.h"
#include "process_figures.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace bench {

namespace test = handoff::test;

void supervisor(const Options& options, Report& report) {
  const std::string service = test::program("bench_service");
  test::Supervisor::Options setup;
  setup.command = {service};
  setup.name = "one";
  for (const char* name : {"two", "three"}) {
    setup.config += std::string("[service.") + name + "]\ncommand = [\"" + service +
                    "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  const test::Supervisor subject(setup);
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::uint64_t seconds = options.quick ? 1 : 10;
  std::vector<double> memory;
  std::vector<double> wake_ups;
  // A run takes ten seconds, and three runs are enough.
  for (std::size_t run = 1; run <= std::min<std::size_t>(options.runs, 3); ++run) {
    Report::progress("supervisor: run " + std::to_string(run));
    rest(options.quick ? kSecond / 10 : 2 * kSecond);  // till the last question has no more effect
    const std::uint64_t before = context_switches(subject.pid());
    rest(seconds * kSecond);
    wake_ups.push_back(static_cast<double>(context_switches(subject.pid()) - before) /
                       static_cast<double>(seconds));
    memory.push_back(static_cast<double>(rss_bytes(subject.pid())));
  }
  Row row = alone("supervisor", "RSS with 3 services", Unit::kBytes, memory);
  row.target = at_most(12.0 * 1048576);
  report.add(std::move(row));
  row = alone("supervisor", "wake-ups in an idle second", Unit::kCount, wake_ups);
  row.target = at_most(0);
  report.add(std::move(row));
}

}  // namespace bench
