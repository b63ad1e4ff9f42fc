#include "supervisor/core/memory.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

namespace handoff::supervisor {
namespace {

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from > what ? from - what : 0; }

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
}

}  // namespace

std::uint64_t free_of(const MemoryLevel& level) {
  return less(level.most, less(level.used, level.cache));
}

std::uint64_t at_best(const MemoryLevel& level) {
  return sum(less(level.most, less(level.used, sum(level.cache, level.more))), level.swap);
}

const MemoryLevel* tightest(const std::vector<MemoryLevel>& levels) {
  const auto least = std::min_element(
      levels.begin(), levels.end(),
      [](const MemoryLevel& a, const MemoryLevel& b) { return free_of(a) < free_of(b); });
  return least == levels.end() ? nullptr : &*least;
}

Weighing weigh_handoff(const std::vector<MemoryLevel>& levels, std::uint64_t own,
                       const std::string& together) {
  const auto never = std::min_element(
      levels.begin(), levels.end(),
      [](const MemoryLevel& a, const MemoryLevel& b) { return at_best(a) < at_best(b); });
  if (never == levels.end()) return {};
  if (at_best(*never) < kHandoffNeeds) {
    return {Weighing::Verdict::kNever, "memory is short: " + never->of + " has " +
                                           format_bytes(at_best(*never)) + " left of " +
                                           format_bytes(never->most) + ", and a handoff takes " +
                                           format_bytes(kHandoffNeeds) + " at the least"};
  }
  const MemoryLevel& least = *tightest(levels);
  if (own <= free_of(least)) return {};
  const std::string ended = together.empty() ? "the kernel ends it first"
                                             : "the kernel ends all of " + together +
                                                   " (memory.oom.group), the old "
                                                   "one, too";
  return {Weighing::Verdict::kTight,
          "memory may be short: the old process has " + format_bytes(own) + " of its own, and " +
              least.of + " has " + format_bytes(free_of(least)) + " left of " +
              format_bytes(least.most) + ". If the new one takes as much, " + ended +
              "; MemoryMax= gives it more"};
}

std::string together_fault(const std::string& together) {
  return "when memory runs out the kernel ends all processes of " + together +
         ", the supervisor and its services, since its memory.oom.group is 1: set it to 0 "
         "(OOMPolicy=continue in the unit, singleProcessOOMKill of Kubernetes)";
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  constexpr std::array<const char*, 4> kUnits{"kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace handoff::supervisor
