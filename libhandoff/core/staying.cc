#include "libhandoff/core/staying.h"

#include <algorithm>

namespace handoff::core {

void add(std::vector<Staying>& to, const Staying& more) {
  if (more.sessions == 0) return;
  const auto find = [&to](const std::string& why) {
    return std::find_if(to.begin(), to.end(), [&](const Staying& one) { return one.why == why; });
  };
  auto found = find(more.why);
  // The last place is for all that have no other.
  if (found == to.end() && to.size() + 1 >= kMaxStaying) found = find(kOtherReasons);
  if (found != to.end()) {
    found->sessions += more.sessions;
  } else {
    to.push_back({to.size() + 1 < kMaxStaying ? more.why : kOtherReasons, more.sessions});
  }
}

std::uint64_t count(const std::vector<Staying>& all) {
  std::uint64_t sum = 0;
  for (const Staying& one : all) sum += one.sessions;
  return sum;
}

std::string reasons(const std::vector<Staying>& all) {
  std::string out;
  for (const Staying& one : all) {
    if (!out.empty()) out += ", ";
    if (all.size() > 1) out += std::to_string(one.sessions) + " ";
    out += one.why;
  }
  return out;
}

std::string describe(const std::vector<Staying>& all) {
  return std::to_string(count(all)) + ": " + reasons(all);
}

}  // namespace handoff::core
