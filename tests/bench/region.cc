// A region: how long nobody is served when 1 GiB of it changes hands, against 1 MiB, and the most
// memory that the two processes have together. Reading a process's memory map holds the process up,
// so the two figures come from different upgrades.
#include <sys/socket.h>

#include <stdexcept>

#include "benches.h"
#include "peak_memory.h"
#include "sockets.h"
#include "subject.h"

namespace bench {

namespace {

// Makes the service read all of its region, so that the next donor has touched every page.
void ask_to_read(const Subject& service) {
  const handoff::UniqueFd client = connect_tcp(service.port());
  char byte = 'x';
  if (::send(client.get(), &byte, 1, MSG_NOSIGNAL) != 1 || ::recv(client.get(), &byte, 1, 0) != 1) {
    throw std::runtime_error("region: the service did not answer");
  }
}

Upgraded upgrade_when_read(Subject& service) {
  ask_to_read(service);
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
    ask_to_read(large);
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
