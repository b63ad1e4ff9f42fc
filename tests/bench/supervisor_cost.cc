// What the supervisor costs a host while nothing happens: memory with three services, and how often
// any of its threads runs.
#include <thread>

#include "benches.h"
#include "process_figures.h"
#include "programs.h"
#include "supervisor.h"

namespace bench {

void supervisor(const Options& options, Report& report) {
  using namespace std::chrono_literals;
  const std::string service = test::program("bench_service");
  test::Supervisor::Options setup;
  setup.command = {service};
  setup.name = "one";
  for (const char* name : {"two", "three"}) {
    setup.config += std::string("[service.") + name + "]\ncommand = [\"" + service +
                    "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  const test::Supervisor subject(setup);
  const auto seconds = options.quick ? 1s : 10s;
  std::vector<double> memory;
  std::vector<double> wake_ups;
  // Ten seconds each: three are as good as seven.
  for (std::size_t run = 1; run <= std::min<std::size_t>(options.runs, 3); ++run) {
    Report::progress("supervisor: run " + std::to_string(run));
    std::this_thread::sleep_for(options.quick ? 100ms : 2s);  // what the last question stirred up
    const std::uint64_t before = context_switches(subject.pid());
    std::this_thread::sleep_for(seconds);
    wake_ups.push_back(static_cast<double>(context_switches(subject.pid()) - before) /
                       static_cast<double>(seconds.count()));
    memory.push_back(static_cast<double>(rss_bytes(subject.pid())));
  }
  Row row = alone("supervisor", "RSS with 3 services", Unit::kBytes, memory);
  row.target = at_most(15.0 * 1048576);
  report.add(std::move(row));
  row = alone("supervisor", "wake-ups in an idle second", Unit::kCount, wake_ups);
  row.target = at_most(0);
  report.add(std::move(row));
}

}  // namespace bench
