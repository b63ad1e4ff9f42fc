#include "libhandoff/core/negotiation.h"

#include <algorithm>
#include <map>
#include <set>

#include "libhandoff/core/lanes.h"

namespace handoff::core {
namespace {

std::string list(const std::vector<std::uint32_t>& versions) {
  std::string out;
  for (const std::uint32_t v : versions) {
    if (!out.empty()) out += ", ";
    out += std::to_string(v);
  }
  return out.empty() ? "none" : out;
}

std::string describe(const Kind& kind) {
  return (kind.section  ? "section '"
          : kind.region ? "region '"
                        : "session kind '") +
         own_name(kind) + "'";
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

// Says which versions each side has, and the shortest chain of steps that would join them. Only the
// newer release can know the older one's format, so it is the one that lacks the steps.
std::string missing(const Manifest& from, const Kind& writes, const Manifest& to,
                    const Kind& reads) {
  std::string text = "no state version in common for " + describe(writes) + ": release " +
                     from.release + " writes " + list(writes.writes) + ", release " + to.release +
                     " reads " + list(reads.reads);
  std::optional<Step> shortest;
  const auto length = [](const Step& way) {
    return way.first < way.second ? way.second - way.first : way.first - way.second;
  };
  for (const std::uint32_t w : writes.writes) {
    for (const std::uint32_t r : reads.reads) {
      if (!shortest || length({w, r}) < length(*shortest)) shortest = Step{w, r};
    }
  }
  if (!shortest) return text;
  text += "; missing: " + chain_text(shortest->first, shortest->second);
  const Manifest& newer = shortest->first < shortest->second ? to : from;
  return text + ", which the newer code has to know (release " + newer.release + ")";
}

// A listener's kind has the versions of the kind "session", and so has what is missing of them.
bool is_said_of_session(const Kind& kind, const Kind& other, const Manifest& from,
                        const Manifest& to) {
  if (kind.listener.empty()) return false;
  const Kind plain{.name = kind.name};
  const Kind* const donors = find_kind(from, plain);
  const Kind* const heirs = find_kind(to, plain);
  return donors != nullptr && heirs != nullptr && donors != &kind &&
         donors->writes == kind.writes && heirs->reads == other.reads;
}

}  // namespace

std::string chain_text(std::uint32_t from, std::uint32_t to) {
  constexpr std::uint32_t kWritten = 8;  // steps of a chain that are written out; more help nobody
  const std::uint32_t length = from < to ? to - from : from - to;
  if (length > kWritten) return std::to_string(from) + " -> ... -> " + std::to_string(to);
  std::string text = std::to_string(from);
  for (std::uint32_t v = from; v != to;) {
    v = from < to ? v + 1 : v - 1;
    text += " -> " + std::to_string(v);
  }
  return text;
}

const std::string& own_name(const Kind& kind) {
  return kind.listener.empty() ? kind.name : kind.listener;
}

const Kind* find_kind(const Manifest& in, const Kind& like) {
  const auto find = [&](const auto& same) -> const Kind* {
    const auto found = std::find_if(in.kinds.begin(), in.kinds.end(), [&](const Kind& k) {
      return k.section == like.section && k.region == like.region && same(k);
    });
    return found == in.kinds.end() ? nullptr : &*found;
  };
  if (in.knows_listeners) {
    const Kind* own = find([&](const Kind& k) { return own_name(k) == own_name(like); });
    const bool listeners = std::any_of(in.kinds.begin(), in.kinds.end(),
                                       [](const Kind& k) { return !k.listener.empty(); });
    if (own != nullptr || listeners) return own;
  }
  return find([&](const Kind& k) { return k.name == like.name; });
}

bool claims_listener(const Manifest& in, const std::string& listener) {
  if (in.named.empty() || listener.empty()) return true;
  return std::any_of(in.named.begin(), in.named.end(),
                     [&](const Named& named) { return named.name == listener; });
}

std::uint32_t travels_as(const Kind& donor, const Kind& heir) {
  std::uint32_t best = 0;
  for (const std::uint32_t v : donor.writes) {
    if (v > best && std::find(heir.reads.begin(), heir.reads.end(), v) != heir.reads.end()) {
      best = v;
    }
  }
  return best;
}

std::vector<Reason> mismatches(const Offer& donor, const Offer& heir) {
  std::vector<Reason> out;
  const auto refuse = [&out](Code code, std::string text) {
    out.push_back({code, std::move(text)});
  };
  if (std::min(donor.protocol_max, heir.protocol_max) <
      std::max(donor.protocol_min, heir.protocol_min)) {
    refuse(Code::kVersion,
           "no protocol version in common: the donor speaks " + std::to_string(donor.protocol_min) +
               " to " + std::to_string(donor.protocol_max) + ", the heir " +
               std::to_string(heir.protocol_min) + " to " + std::to_string(heir.protocol_max));
  }
  const auto possible = [](std::uint32_t lanes) { return lanes > 0 && lanes <= kMaxLanes; };
  if (donor.lane != 0 || heir.lane != 0 || !possible(donor.lanes) || !possible(heir.lanes)) {
    refuse(Code::kProtocol, "the lanes of the two sides make no sense");
  } else if (Lanes{donor.lanes, heir.lanes}.channels() > kMaxChannels) {
    refuse(Code::kRejected, "from " + std::to_string(donor.lanes) + " lanes to " +
                                std::to_string(heir.lanes) +
                                " takes too many channels; choose numbers of lanes of which one "
                                "divides the other");
  }
  const Manifest& from = donor.manifest;
  const Manifest& to = heir.manifest;
  if (from.service != to.service) {
    refuse(Code::kUnclaimed, "the donor is service '" + from.service +
                                 "', the new binary says that it is '" + to.service + "'");
  }
  for (const Named& named : from.named) {
    const bool claimed = std::any_of(to.named.begin(), to.named.end(),
                                     [&](const Named& n) { return n.name == named.name; });
    if (!claimed) {
      refuse(Code::kUnclaimed, "release " + to.release + " does not claim '" + named.name + "' (" +
                                   (named.address.empty() ? "an fd" : named.address) +
                                   "), which release " + from.release + " holds");
    }
  }
  // Sessions may stay only where both know links: an heir without them expects its donor to retire.
  const bool may_stay = donor.drain_incompatible && donor.links && heir.links;
  const Kind* unnamed = nullptr;  // of a listener, and the heir would not know of which
  for (const Kind& kind : from.kinds) {
    const Kind* const other = find_kind(to, kind);
    if (other != nullptr && own_name(*other) != own_name(kind)) {
      if (unnamed != nullptr) {
        refuse(Code::kUnclaimed, "release " + to.release + " can't tell " + describe(kind) +
                                     " from " + describe(*unnamed) + ": to it both are " +
                                     describe(*other));
      }
      unnamed = &kind;
    }
    if (other == nullptr) {
      refuse(Code::kUnclaimed, "release " + to.release + " does not claim " + describe(kind) +
                                   ", which release " + from.release + " has");
    } else if (travels_as(kind, *other) == 0 && !may_stay &&
               !is_said_of_session(kind, *other, from, to)) {
      refuse(Code::kVersion, missing(from, kind, to, *other));
    }
  }
  return out;
}

tl::expected<Plan, Reason> negotiate(const Offer& donor, const Offer& heir) {
  if (auto against = mismatches(donor, heir); !against.empty()) {
    return tl::unexpected(std::move(against.front()));
  }
  Plan plan;
  plan.protocol = std::min(donor.protocol_max, heir.protocol_max);
  for (const Kind& kind : donor.manifest.kinds) {
    plan.versions.push_back(travels_as(kind, *find_kind(heir.manifest, kind)));
  }
  return plan;
}

std::vector<std::uint32_t> link_versions(const Manifest& giver, const Manifest& taker) {
  std::vector<std::uint32_t> out;
  for (const Kind& kind : giver.kinds) {
    const bool shared = kind.section || kind.region;
    const Kind* const other = shared ? nullptr : find_kind(taker, kind);
    const bool goes = other != nullptr &&
                      (own_name(*other) == own_name(kind) || claims_listener(taker, kind.listener));
    out.push_back(goes ? travels_as(kind, *other) : 0);
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
