#include "supervisor/core/elsewhere.h"

namespace handoff::supervisor {

std::vector<Elsewhere> elsewhere(const std::vector<BoundListener>& bound,
                                 const std::vector<SaidListener>& said) {
  std::vector<Elsewhere> out;
  for (const BoundListener& one : bound) {
    const auto address = core::parse_address(one.address);
    for (const SaidListener& wanted : said) {
      if (wanted.name != one.name || !address || core::is_at(*address, wanted.address)) continue;
      out.push_back({one.name, one.address, core::to_string(wanted.address)});
    }
  }
  return out;
}

std::string tell(const Elsewhere& one, const std::string& service) {
  return "listener " + one.name + " listens at " + one.address + ", and the configuration says " +
         one.configured + ": it moves at the next upgrade (handoff upgrade " + service +
         " or handoff restart " + service + ")";
}

}  // namespace handoff::supervisor
