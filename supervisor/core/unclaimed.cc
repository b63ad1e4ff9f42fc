#include "supervisor/core/unclaimed.h"

#include <algorithm>

namespace handoff::supervisor {
namespace {

using Listeners = UnclaimedPolicy::Listeners;
using Sections = UnclaimedPolicy::Sections;
using Sessions = UnclaimedPolicy::Sessions;

const char* word(Listeners listeners) {
  switch (listeners) {
    case Listeners::kKeep:
      return "keep";
    case Listeners::kClose:
      return "close";
    case Listeners::kRefuse:
      break;
  }
  return "refuse";
}

std::string sessions(std::uint64_t n) {
  return std::to_string(n) + (n == 1 ? " session stays" : " sessions stay");
}

}  // namespace

std::string describe(const UnclaimedPolicy& policy) {
  std::string out;
  const auto add = [&out](const char* key, const char* value) {
    out += (out.empty() ? "" : ", ") + std::string(key) + " = " + value;
  };
  if (policy.listeners) add("listeners", word(*policy.listeners));
  if (policy.sections) add("sections", *policy.sections == Sections::kDrop ? "drop" : "refuse");
  if (policy.sessions) add("sessions", *policy.sessions == Sessions::kLate ? "late" : "refuse");
  return out.empty() ? "as usual" : out;
}

core::Unmovable unmovable_for(core::Unmovable wanted, Direction direction) {
  // Nobody stays with the reader of a vault, who can't serve.
  if (direction == Direction::kRecovery) return core::Unmovable::kClose;
  const bool refuses = wanted == core::Unmovable::kRefuse;
  return refuses && direction == Direction::kBackByItself ? core::Unmovable::kClose : wanted;
}

core::MayLeaveOut may_leave_out(const UnclaimedPolicy& policy, Direction direction) {
  if (direction == Direction::kBackByItself) return {true, true, true};
  if (direction == Direction::kRecovery) return {.listeners = true, .sections = true};
  const bool back = direction == Direction::kBack;
  return {.listeners = policy.listeners ? *policy.listeners != Listeners::kRefuse : back,
          .sections = policy.sections ? *policy.sections == Sections::kDrop : back,
          .sessions = policy.sessions ? *policy.sessions == Sessions::kLate : back};
}

bool gives_all_back(const core::Manifest& donor, const core::Manifest& claims,
                    const std::vector<std::string>& given_back) {
  const auto is_told = [&](const core::Named& named) {
    const auto claimed = std::any_of(claims.named.begin(), claims.named.end(),
                                     [&](const auto& other) { return other.name == named.name; });
    return named.address.empty() || claimed ||
           std::find(given_back.begin(), given_back.end(), named.name) != given_back.end();
  };
  return !given_back.empty() && std::all_of(donor.named.begin(), donor.named.end(), is_told);
}

const char* name(Fate fate) {
  switch (fate) {
    case Fate::kKept:
      return "kept";
    case Fate::kClosed:
      return "closed";
    case Fate::kDropped:
      return "dropped";
    case Fate::kLate:
      break;
  }
  return "late";
}

Fate fate_of(const core::LeftOut& one, const UnclaimedPolicy& policy, bool held, bool dropped) {
  if (one.sort == core::Sort::kSessions) return Fate::kLate;
  if (one.sort != core::Sort::kListener) return Fate::kDropped;
  const bool closes = dropped || policy.listeners == Listeners::kClose;
  return held && !closes ? Fate::kKept : Fate::kClosed;
}

std::string tell(const core::LeftOut& one, Fate fate) {
  const std::string what = core::describe(one);
  switch (fate) {
    case Fate::kKept:
      return what + " is kept: nobody accepts on it until a release claims it";
    case Fate::kClosed:
      return what + " is closed";
    case Fate::kDropped:
      return what + " is dropped";
    case Fate::kLate:
      break;
  }
  return what + ": " + sessions(one.sessions) + " with the old release";
}

bool claims(const Claims& release, const std::string& listener) {
  return !release || release->empty() ||
         std::find(release->begin(), release->end(), listener) != release->end();
}

std::vector<std::string> to_close(const UnclaimedPolicy& policy,
                                  const std::vector<std::string>& here, const Claims& runs,
                                  bool permanent, const std::vector<std::string>& drops) {
  std::vector<std::string> out;
  if (!permanent) return out;
  const bool all = policy.listeners == Listeners::kClose;
  for (const std::string& listener : here) {
    const bool dropped = std::find(drops.begin(), drops.end(), listener) != drops.end();
    if ((all || dropped) && !claims(runs, listener)) out.push_back(listener);
  }
  return out;
}

}  // namespace handoff::supervisor
