// A section of 1 GiB: how fast it goes over, against one memcpy of it, and the most memory that the
// two processes have together. Reading a process's memory map holds the process up, so the two
// figures come from different upgrades.
#include <sys/mman.h>

#include <cstring>
#include <new>

#include "benches.h"
#include "clock.h"
#include "peak_memory.h"
#include "subject.h"

namespace bench {
namespace {

class Memory {
 public:
  explicit Memory(std::size_t bytes) : bytes_(bytes) {
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Memory() { ::munmap(data_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  char* data() const { return static_cast<char*>(data_); }

 private:
  std::size_t bytes_;
  void* data_;
};

// Bytes per second of one memcpy(3), into memory that is new, as an heir's is, or was written
// before.
double memcpy_rate(const Memory& from, std::size_t bytes, bool fresh) {
  const Memory to(bytes);
  if (!fresh) std::memset(to.data(), 1, bytes);
  const std::uint64_t begun = now_ns();
  std::memcpy(to.data(), from.data(), bytes);
  return static_cast<double>(bytes) * 1e9 / static_cast<double>(now_ns() - begun);
}

}  // namespace

void section(const Options& options, Report& report) {
  const std::size_t bytes = std::size_t{options.quick ? 4U : 1024U} << 20;
  const auto size = static_cast<double>(bytes);
  Subject service("bench_service", {"--section", std::to_string(bytes)});
  service.upgrade();
  const Memory source(bytes);
  std::memset(source.data(), 1, bytes);
  std::vector<double> fresh;
  std::vector<double> warm;
  std::vector<double> copied;
  std::vector<double> peaks;
  std::size_t samples = 0;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("section: run " + std::to_string(run));
    fresh.push_back(memcpy_rate(source, bytes, true));
    warm.push_back(memcpy_rate(source, bytes, false));
    copied.push_back(size * 1e6 / service.upgrade().transfer);
    PeakMemory memory(service.supervisor().pid());
    service.upgrade();
    peaks.push_back(memory.stop());
    samples += memory.samples();
  }
  const std::string name = format(size, Unit::kBytes);
  Row row = paired("section", name + ", copy rate", Unit::kBytesPerSecond, "memcpy", fresh, copied);
  row.target = ratio_at_least(0.5);
  report.add(std::move(row));
  report.add(paired("section", "  to memory in use already", Unit::kBytesPerSecond, "memcpy", warm,
                    copied));
  row = paired("section", name + ", peak PSS of both", Unit::kBytes, "section",
               std::vector<double>(peaks.size(), size), peaks);
  row.target = ratio_at_most(2.1);
  row.note = std::to_string(samples / options.runs) + " samples in an upgrade";
  report.add(std::move(row));
}

}  // namespace bench
