#include "core/negotiation.h"

#include <algorithm>
#include <map>
#include <set>

namespace handoff::core {
namespace {

tl::unexpected<Reason> refuse(Code code, std::string text) {
  return tl::unexpected(Reason{code, std::move(text)});
}

std::string list(const std::vector<std::uint32_t>& versions) {
  std::string out;
  for (const std::uint32_t v : versions) {
    if (!out.empty()) out += ", ";
    out += std::to_string(v);
  }
  return out.empty() ? "none" : out;
}

std::string describe(const Kind& kind) {
  return (kind.section ? "section '" : "session kind '") + kind.name + "'";
}

std::set<std::uint32_t> reachable(const std::vector<Step>& steps, std::uint32_t from,
                                  bool forward) {
  std::set<std::uint32_t> seen{from};
  std::vector<std::uint32_t> todo{from};
  while (!todo.empty()) {
    const std::uint32_t at = todo.back();
    todo.pop_back();
    for (const auto& [a, b] : steps) {
      const std::uint32_t here = forward ? a : b;
      const std::uint32_t there = forward ? b : a;
      if (here == at && seen.insert(there).second) todo.push_back(there);
    }
  }
  return seen;
}

// The highest version that one writes and the other reads; 0 if there is none.
std::uint32_t highest(const Kind& from, const Kind& to) {
  std::uint32_t best = 0;
  for (const std::uint32_t v : from.writes) {
    if (v > best && std::find(to.reads.begin(), to.reads.end(), v) != to.reads.end()) best = v;
  }
  return best;
}

}  // namespace

tl::expected<Plan, Reason> negotiate(const Offer& donor, const Offer& heir) {
  Plan plan;
  plan.protocol = std::min(donor.protocol_max, heir.protocol_max);
  if (plan.protocol < std::max(donor.protocol_min, heir.protocol_min)) {
    return refuse(Code::kVersion, "no protocol version in common: the donor speaks " +
                                      std::to_string(donor.protocol_min) + " to " +
                                      std::to_string(donor.protocol_max) + ", the heir " +
                                      std::to_string(heir.protocol_min) + " to " +
                                      std::to_string(heir.protocol_max));
  }
  if (donor.lane != heir.lane || donor.lanes != heir.lanes) {
    return refuse(Code::kProtocol, "the two sides do not agree about the lanes");
  }
  const Manifest& from = donor.manifest;
  const Manifest& to = heir.manifest;
  if (from.service != to.service) {
    return refuse(Code::kUnclaimed, "the donor is service '" + from.service +
                                        "', the new binary says that it is '" + to.service + "'");
  }
  for (const Named& named : from.named) {
    const bool claimed = std::any_of(to.named.begin(), to.named.end(),
                                     [&](const Named& n) { return n.name == named.name; });
    if (!claimed) {
      return refuse(Code::kUnclaimed, "release " + to.release + " does not claim '" + named.name +
                                          "' (" +
                                          (named.address.empty() ? "an fd" : named.address) +
                                          "), which release " + from.release + " holds");
    }
  }
  for (const Kind& kind : from.kinds) {
    const auto other = std::find_if(to.kinds.begin(), to.kinds.end(), [&](const Kind& k) {
      return k.name == kind.name && k.section == kind.section;
    });
    if (other == to.kinds.end()) {
      return refuse(Code::kUnclaimed, "release " + to.release + " does not claim " +
                                          describe(kind) + ", which release " + from.release +
                                          " has");
    }
    const std::uint32_t best = highest(kind, *other);
    // An heir that knows no links would not know what a donor with sessions left is, either.
    if (best == 0 && !(donor.drain_incompatible && donor.links && heir.links)) {
      return refuse(Code::kVersion, "no state version in common for " + describe(kind) +
                                        ": release " + from.release + " writes " +
                                        list(kind.writes) + ", release " + to.release + " reads " +
                                        list(other->reads) +
                                        "; register the missing conversion steps in the newer one");
    }
    plan.versions.push_back(best);
  }
  return plan;
}

std::vector<std::uint32_t> link_versions(const Manifest& giver, const Manifest& taker) {
  std::vector<std::uint32_t> out;
  for (const Kind& kind : giver.kinds) {
    const auto other = std::find_if(taker.kinds.begin(), taker.kinds.end(), [&](const Kind& k) {
      return k.name == kind.name && !k.section;
    });
    out.push_back(kind.section || other == taker.kinds.end() ? 0 : highest(kind, *other));
  }
  return out;
}

std::optional<std::vector<Step>> find_chain(const std::vector<Step>& steps, std::uint32_t from,
                                            std::uint32_t to) {
  std::map<std::uint32_t, std::uint32_t> came_from{{from, from}};
  std::vector<std::uint32_t> todo{from};  // breadth first: the shortest chain
  for (std::size_t i = 0; i < todo.size() && !came_from.contains(to); ++i) {
    for (const auto& [a, b] : steps) {
      if (a == todo[i] && came_from.emplace(b, a).second) todo.push_back(b);
    }
  }
  if (!came_from.contains(to)) return std::nullopt;
  std::vector<Step> chain;
  for (std::uint32_t at = to; at != from; at = came_from[at]) chain.emplace_back(came_from[at], at);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

std::vector<std::uint32_t> readable(const std::vector<Step>& steps, std::uint32_t own) {
  const auto set = reachable(steps, own, false);
  return {set.begin(), set.end()};
}

std::vector<std::uint32_t> writable(const std::vector<Step>& steps, std::uint32_t own) {
  const auto set = reachable(steps, own, true);
  return {set.begin(), set.end()};
}

}  // namespace handoff::core
