// The most memory that the service's processes have together while an upgrade goes on.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "process_figures.h"
#include "support/process/proc.h"

namespace bench {

namespace test = handoff::test;

// The highest sum of PSS, in bytes, over all children of the supervisor. A thread of its own reads
// it as often as it can until stop().
class PeakMemory {
 public:
  explicit PeakMemory(pid_t supervisor)
      : sampler_([this, supervisor] {
          while (!stop_.load()) {
            std::uint64_t sum = 0;
            for (const pid_t pid : test::children_of(supervisor)) sum += pss_bytes(pid);
            peak_ = std::max(peak_, sum);
            ++samples_;
          }
        }) {}
  ~PeakMemory() { stop(); }
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;

  double stop() {
    stop_.store(true);
    if (sampler_.joinable()) sampler_.join();
    return static_cast<double>(peak_);
  }
  std::size_t samples() const { return samples_; }

 private:
  std::atomic<bool> stop_ = false;
  std::uint64_t peak_ = 0;
  std::size_t samples_ = 0;
  std::thread sampler_;  // the last member: it uses the others
};

}  // namespace bench
