#include "claims.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "libhandoff/core/negotiation.h"

namespace handoff::simulation {

using core::Kind;
using core::Leaving;
using core::Manifest;
using core::MayLeaveOut;
using core::Sort;
using supervisor::Claims;
using supervisor::Direction;
using supervisor::UnclaimedPolicy;

const char* name(ClaimBug bug) {
  static constexpr const char* kNames[] = {"None",
                                           "NumbersAsBefore",
                                           "VersionsAsFound",
                                           "WholeHello",
                                           "LeavesAnyway",
                                           "ForgetsToSay",
                                           "KindWithoutNames",
                                           "KindsAlone",
                                           "LinkWithoutNames",
                                           "BackAsForward",
                                           "ClosesOnProbation",
                                           "KeepsToItself"};
  return kNames[static_cast<std::size_t>(bug)];
}

ReleaseShape shape(unsigned bits) {
  const auto has = [bits](unsigned bit) { return (bits >> bit & 1U) != 0; };
  return {has(0), has(1), has(2), has(3), has(4), has(5), has(6)};
}

std::string describe(const ReleaseShape& release) {
  std::string out = "{";
  if (release.admin) out += " admin";
  if (release.hosts) out += " hosts";
  if (release.bulk) out += " bulk";
  if (release.rooms) out += " rooms";
  if (release.index) out += " index";
  if (release.log) out += " log";
  if (release.names_none) out += " names-none";
  return out + " }";
}

namespace {

Kind kind(std::string name, bool section = false, bool region = false) {
  return {.name = std::move(name),
          .section = section,
          .version = 1,
          .reads = {1},
          .writes = {1},
          .region = region};
}

Kind of_listener(std::string listener) {
  Kind out = kind("session");
  out.listener = std::move(listener);
  return out;
}

// said: as it registers. A release that does not say what it claims takes whatever it is given.
Manifest manifest(const ReleaseShape& release, bool said) {
  Manifest out{.service = "chat", .release = describe(release), .knows_listeners = true};
  out.kinds.push_back(kind("session"));
  if (release.bulk) out.kinds.push_back(kind("bulk"));
  if (release.hosts) out.kinds.push_back(of_listener("public"));
  if (release.hosts && release.admin) out.kinds.push_back(of_listener("admin"));
  if (release.rooms) out.kinds.push_back(kind("rooms", true));
  if (release.index) out.kinds.push_back(kind("index", false, true));
  if (release.names_none && said) return out;
  const bool any = release.names_none;
  out.named.push_back({.name = "public", .address = "tcp:[::]:1"});
  if (release.admin || any) out.named.push_back({.name = "admin", .address = "tcp:[::]:2"});
  if (release.log || any) out.named.push_back({.name = "log"});
  return out;
}

// Whether the release has a place for it: the truth, by the shape alone.
bool takes(const ReleaseShape& release, const core::LeftOut& one) {
  switch (one.sort) {
    case Sort::kListener:
      return one.name == "public" || release.admin || release.names_none;
    case Sort::kFd:
      return release.log || release.names_none;
    case Sort::kSection:
      return release.rooms;
    case Sort::kRegion:
      return release.index;
    case Sort::kSessions:
      break;
  }
  if (one.name == "bulk") return release.bulk;
  if (one.name != "admin") return true;
  return release.admin || (release.names_none && !release.hosts);
}

core::Offer offer(Manifest manifest) {
  return {.protocol_min = 1,
          .protocol_max = 1,
          .manifest = std::move(manifest),
          .links = true,
          .drain_incompatible = false};
}

bool may(MayLeaveOut leave, Sort sort) {
  return sort == Sort::kListener   ? leave.listeners
         : sort == Sort::kSessions ? leave.sessions
                                   : leave.sections;
}

// The sessions of a kind may become those of another one: the same by name, or the kind of a
// release that tells no listeners apart, if it has that listener.
bool belongs(const Kind& from, const Kind& to, const ReleaseShape& taker) {
  if (from.section != to.section || from.region != to.region) return false;
  if (core::own_name(from) == core::own_name(to)) return true;
  if (to.name != "session" || from.listener.empty()) return false;
  return !taker.hosts && (from.listener == "public" || taker.admin || taker.names_none);
}

// The world of one service: who runs, which listeners the process and the supervisor have.
class Handover {
 public:
  Handover(const ReleaseShape& first, const UnclaimedPolicy& policy, ClaimBug bug)
      : policy_(policy), bug_(bug) {
    if (!first.admin) return;
    process_.insert("admin");
    supervisor_.insert("admin");
  }

  // The heir runs afterwards, unless it was refused.
  std::optional<std::string> go(const ReleaseShape& donor, const ReleaseShape& heir,
                                Direction direction) {
    refused_ = ambiguous_ = false;
    donor_ = manifest(donor, false);
    // A donor has only what it got.
    std::erase_if(donor_.named, [&](const core::Named& named) {
      return named.address.empty() ? !donor.log : !process_.contains(named.name);
    });
    const Manifest claims = manifest(heir, true);
    if (bug_ == ClaimBug::kBackAsForward) direction = Direction::kForward;
    leave_ = may_leave_out(policy_, direction);
    decide(claims);
    const Manifest hello = bug_ == ClaimBug::kWholeHello ? donor_ : core::without(donor_, leaving_);
    // In its Hello a release names what it claims, whatever it has registered.
    const auto plan = core::negotiate(offer(hello), offer(manifest(heir, false)));
    if (!plan) return refuse(plan.error().text, heir);
    if (auto wrong = look_at_kinds(plan->versions, hello, heir)) return wrong;
    if (auto wrong = look_at_what_is_left(heir)) return wrong;
    if (auto wrong = look_at_the_link(heir)) return wrong;
    pass_listeners(heir);
    return std::nullopt;
  }
  bool refused() const { return refused_; }
  // Refused since the heir would take the sessions of two listeners for one kind: nobody may.
  bool ambiguous() const { return ambiguous_; }
  bool accepts(const std::string& listener) const { return process_.contains(listener); }
  bool holds(const std::string& listener) const { return supervisor_.contains(listener); }

  // The supervisor's look at its listeners, on probation or not.
  void look(const ReleaseShape& runs, bool permanent) {
    if (bug_ == ClaimBug::kClosesOnProbation) permanent = true;
    std::vector<std::string> names{"public"};
    if (runs.admin) names.emplace_back("admin");
    const Claims claims = runs.names_none ? Claims{std::vector<std::string>{}} : Claims{names};
    const std::vector<std::string> here(supervisor_.begin(), supervisor_.end());
    for (const std::string& one : to_close(policy_, here, claims, permanent)) {
      supervisor_.erase(one);
    }
  }

 private:
  void decide(const Manifest& claims) {
    Manifest told = claims;
    if (bug_ == ClaimBug::kKindWithoutNames) told.named = {{.name = "nothing"}};
    MayLeaveOut leave = leave_;
    if (bug_ == ClaimBug::kLeavesAnyway) leave = {true, true, true};
    leaving_ = core::leaving(donor_, told, leave);
    if (bug_ == ClaimBug::kKindsAlone) leaving_.named.clear();
    if (bug_ == ClaimBug::kForgetsToSay) {
      std::erase_if(leaving_.all, [](const auto& one) { return one.sort == Sort::kSection; });
    }
  }

  // Only what the policy keeps in may be the reason.
  std::optional<std::string> refuse(const std::string& why, const ReleaseShape& heir) {
    refused_ = true;
    ambiguous_ = why.find("can't tell") != std::string::npos;
    if (ambiguous_) return std::nullopt;
    for (const auto& one : core::leaving(donor_, manifest(heir, false), {true, true, true}).all) {
      if (!may(leave_, one.sort)) return std::nullopt;
    }
    return "refused, though all of it may be left out: " + why;
  }

  std::optional<std::string> look_at_kinds(const std::vector<std::uint32_t>& found,
                                           const Manifest& hello, const ReleaseShape& heir) const {
    const auto versions =
        bug_ == ClaimBug::kVersionsAsFound ? found : core::versions_of_all(found, leaving_);
    const Manifest its = manifest(heir, false);
    std::map<std::string, std::string> taken;
    for (std::uint32_t i = 0; i < donor_.kinds.size(); ++i) {
      const Kind& own = donor_.kinds[i];
      const std::uint32_t version = i < versions.size() ? versions[i] : 0;
      if (version == 0) {
        if (!leaving_.has_kind(i)) return core::own_name(own) + " stays, and is not left out";
        continue;
      }
      const std::uint32_t wire = bug_ == ClaimBug::kNumbersAsBefore ? i : leaving_.on_wire(i);
      if (wire >= hello.kinds.size()) return core::own_name(own) + " has no number in the Hello";
      const Kind* const theirs = core::find_kind(its, hello.kinds[wire]);
      if (theirs == nullptr || !belongs(own, *theirs, heir)) {
        return core::own_name(own) + " is taken for " +
               (theirs == nullptr ? "nothing" : core::own_name(*theirs));
      }
      if (own.listener.empty()) continue;
      const auto [other, fresh] = taken.emplace(core::own_name(*theirs), own.listener);
      if (!fresh) return own.listener + " and " + other->second + " are taken for one";
    }
    return std::nullopt;
  }

  // Each thing is handed over, or somebody is told of it and it was allowed.
  std::optional<std::string> look_at_what_is_left(const ReleaseShape& heir) const {
    for (const auto& one : leaving_.all) {
      if (takes(heir, one)) return core::describe(one) + " is left out, and would be taken";
      if (!may(leave_, one.sort)) return core::describe(one) + " is left out and may not be";
    }
    const auto is_told = [this](const std::string& what) {
      return std::ranges::any_of(leaving_.all, [&](const auto& one) { return one.name == what; });
    };
    for (const std::string& left : leaving_.named) {
      if (!is_told(left)) return left + " is left out, and nobody is told";
    }
    for (std::uint32_t i = 0; i < donor_.kinds.size(); ++i) {
      if (leaving_.has_kind(i) && !is_told(core::own_name(donor_.kinds[i]))) {
        return core::own_name(donor_.kinds[i]) + " is left out, and nobody is told";
      }
    }
    return std::nullopt;
  }

  // Sessions that stay go to nobody who does not claim them, and back to whoever does.
  std::optional<std::string> look_at_the_link(const ReleaseShape& heir) const {
    Manifest taker = manifest(heir, false);
    const auto own = core::link_versions(donor_, donor_);
    if (bug_ == ClaimBug::kLinkWithoutNames) taker.named.clear();
    const auto versions = core::link_versions(donor_, taker);
    for (std::uint32_t i = 0; i < donor_.kinds.size(); ++i) {
      const Kind& its = donor_.kinds[i];
      if (its.section || its.region) continue;
      if (own[i] == 0) return core::own_name(its) + " does not come back over a link";
      if (leaving_.has_kind(i) && versions[i] != 0) {
        return core::own_name(its) + " was left out, and goes over the link";
      }
      if (!leaving_.has_kind(i) && versions[i] == 0) {
        return core::own_name(its) + " was handed over, and does not go over the link";
      }
    }
    return std::nullopt;
  }

  // The donor passes what it does not leave out; of the rest the heir has what it claims from the
  // supervisor, and binds what nobody has.
  void pass_listeners(const ReleaseShape& heir) {
    std::set<std::string> now;
    for (const std::string& one : process_) {
      if (!leaving_.has(one)) now.insert(one);
    }
    for (const char* one : {"public", "admin"}) {
      const bool claims = std::string(one) == "public" || heir.admin;
      const bool gets = supervisor_.contains(one) && bug_ != ClaimBug::kKeepsToItself;
      const bool is_free = !supervisor_.contains(one);
      if (claims && (gets || is_free)) now.insert(one);
    }
    process_ = std::move(now);
  }

  UnclaimedPolicy policy_;
  ClaimBug bug_;
  Manifest donor_;
  MayLeaveOut leave_;
  Leaving leaving_;
  bool refused_ = false;
  bool ambiguous_ = false;
  std::set<std::string> process_{"public"};     // that it accepts on
  std::set<std::string> supervisor_{"public"};  // that it has bound
};

bool has_all(const Handover& world, const ReleaseShape& release) {
  return world.accepts("public") && (!release.admin || world.accepts("admin"));
}

}  // namespace

std::optional<std::string> upgrade_and_go_back(const ReleaseShape& older, const ReleaseShape& newer,
                                               const UnclaimedPolicy& policy, ClaimBug bug) {
  Handover world(older, policy, bug);
  if (auto wrong = world.go(older, newer, Direction::kForward)) return "forward: " + *wrong;
  if (world.refused()) return std::nullopt;
  if (!has_all(world, newer)) return "forward: the new release lacks a listener that it claims";
  world.look(newer, false);
  if (older.admin && !world.holds("admin")) {
    return "on probation: a listener that the old release claims is closed";
  }
  if (auto wrong = world.go(newer, older, Direction::kBackByItself)) return "back: " + *wrong;
  if (world.ambiguous()) return std::nullopt;  // the operator was told that it is one-way
  if (world.refused()) return "back: a release that goes back by itself is refused";
  if (!has_all(world, older)) return "back: the old release lacks a listener that it claims";
  world.look(older, true);
  if (older.admin && !world.holds("admin")) {
    return "at the end: a listener that runs is closed";
  }
  return std::nullopt;
}

}  // namespace handoff::simulation
