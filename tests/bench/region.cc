// A region: for how long nobody is served when 1 GiB of it changes hands, against 1 MiB, and how
// much memory the two processes have together at most. The figures come from different upgrades:
// reading a process's memory map holds it up.
#include <chrono>
#include <thread>

#include "benches.h"
#include "peak_memory.h"
#include "subject.h"

namespace bench {

namespace {

// Time to read all of it: a bench service does that 300 ms after it has begun to serve.
Upgraded upgrade_when_read(Subject& service) {
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  return service.upgrade();
}

}  // namespace

void region(const Options& options, Report& report) {
  const std::size_t few = std::size_t{1} << 20;
  const std::size_t many = std::size_t{options.quick ? 4U : 1024U} << 20;
  const auto size = static_cast<double>(many);
  Subject small("bench_service", {"--region", std::to_string(few)}, "small");
  Subject large("bench_service", {"--region", std::to_string(many)}, "large");
  upgrade_when_read(small);
  upgrade_when_read(large);
  std::vector<double> of_small;
  std::vector<double> of_large;
  std::vector<double> peaks;
  std::size_t samples = 0;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("region: run " + std::to_string(run));
    of_small.push_back(upgrade_when_read(small).blackout_p999);
    of_large.push_back(upgrade_when_read(large).blackout_p999);
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    PeakMemory memory(large.supervisor().pid());
    large.upgrade();
    peaks.push_back(memory.stop());
    samples += memory.samples();
  }
  const std::string name = format(size, Unit::kBytes);
  Row row = paired("region", name + ", blackout", Unit::kMicroseconds,
                   format(static_cast<double>(few), Unit::kBytes) + ":", of_small, of_large);
  row.target = ratio_at_most(1.5);
  row.note = "it does not depend on the size";
  report.add(std::move(row));
  row = paired("region", name + ", peak PSS of both", Unit::kBytes, "region",
               std::vector<double>(peaks.size(), size), peaks);
  row.target = ratio_at_most(1.1);
  row.note = std::to_string(samples / options.runs) + " samples in an upgrade";
  report.add(std::move(row));
}

}  // namespace bench
