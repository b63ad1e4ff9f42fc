#include "supervisor/core/late.h"

#include <algorithm>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {
namespace {

std::string sessions(std::uint64_t n) {
  return std::to_string(n) + (n == 1 ? " session" : " sessions");
}
// Of those that a late process keeps.
std::string why_kept(const DonorLate& late) {
  const std::uint64_t waiting = late.waiting;
  const std::uint64_t unmovable = late.unmovable;
  const std::uint64_t staying = core::count(late.staying);
  if (staying > 0 && staying >= waiting) return " that can't move: " + core::reasons(late.staying);
  if (staying > 0) return " that are busy or can't move (" + core::reasons(late.staying) + ")";
  if (unmovable == 0) return " that are busy";
  if (unmovable >= waiting) return " that could not be moved";
  return " that are busy or could not be moved (" + std::to_string(unmovable) + ")";
}
std::string unmovable_of(const LateProcesses::One& one) {
  return one.unmovable == 0 ? ""
                            : ", of which " + std::to_string(one.unmovable) + " could not be moved";
}
std::string generation_of(Generation generation) {
  return "generation " + std::to_string(generation);
}

}  // namespace

Effects LateProcesses::on(const DonorLate& late, const Policy& policy, Time now, bool progressive) {
  const bool fresh = !late_.contains(late.generation);
  One& one = late_[late.generation];
  one.waiting = late.waiting;
  one.moved = late.moved;
  one.closed = late.closed;
  one.unmovable = late.unmovable;
  one.staying = late.staying;
  one.linked = late.linked;
  if (!fresh) return {};
  one.stays = std::any_of(late.left_out.begin(), late.left_out.end(),
                          [](const core::LeftOut& left) { return left.sessions > 0; });
  Effects out = progressive ? Effects{} : drain(policy, now);
  out.push_back(Note{Note::Level::kInfo, generation_of(late.generation) + " keeps " +
                                             sessions(late.waiting) +
                                             (progressive ? " for now" : why_kept(late))});
  return out;
}

void LateProcesses::leave(Generation generation, Time by) {
  One& one = late_[generation];
  one.retired = one.leaving = true;
  one.next = by;
}

Effects LateProcesses::drain(const Policy& policy, Time now) {
  Effects out;
  const Time until = now + policy.drain;
  for (auto& [generation, one] : late_) {
    if (one.drained || one.retired) continue;
    one.drained = true;
    // No other process takes the sessions: to move them would be to close them.
    const bool keep = one.stays && policy.policy == LateSessions::kMove;
    const LateSessions then = keep ? LateSessions::kKeep : policy.policy;
    if (then != LateSessions::kKeep) one.next = until + kMargin;
    out.push_back(SendDrain{generation, until, then});
  }
  return out;
}

Effects LateProcesses::on(const DonorRetired& retired, const Policy& policy, Time now) {
  const auto found = late_.find(retired.generation);
  if (found == late_.end() || found->second.leaving) return {};
  One& one = found->second;
  one.waiting = 0;
  // Its last Late may have been for a supervisor before this one.
  one.closed = std::max(one.closed, retired.closed);
  one.retired = true;
  one.next = now + policy.drain;
  std::string text = generation_of(retired.generation) +
                     " has no session left: " + std::to_string(one.moved) + " moved";
  if (one.closed > 0) text += ", " + std::to_string(one.closed) + " closed";
  return {Note{Note::Level::kInfo, text}};
}

Effects LateProcesses::on(const Exited& exited) {
  const auto found = late_.find(exited.generation);
  if (found == late_.end()) return {};
  const One one = found->second;
  late_.erase(found);
  if (one.retired || one.waiting == 0) return {};
  return {Note{Note::Level::kError, generation_of(exited.generation) + " " + describe(exited.exit) +
                                        " with " + sessions(one.waiting) +
                                        " that had not moved: lost"}};
}

// A late process loses its link when the owner dies: whoever is the owner next does not know of it.
Effects LateProcesses::relink(Generation owner, Time now) {
  Effects out;
  for (auto& [generation, one] : late_) {
    if (one.linked || one.retired) continue;
    // What it says may be older than the link that was made since. An owner that has just died,
    // which nobody has seen yet, is no reason not to make one to the next.
    if (one.relinked_to == owner && now < one.relinked + kRelinkAgain) continue;
    one.relinked_to = owner;
    one.relinked = now;
    out.push_back(SendRelink{generation, owner});
  }
  return out;
}

Effects LateProcesses::tick(Time now) {
  Effects out;
  for (auto& [generation, one] : late_) {
    if (!one.next || now < *one.next) continue;
    if (one.termed) {
      one.next.reset();
    } else {
      one.next = now + kTermToKill;
      out.push_back(Note{Note::Level::kWarning,
                         generation_of(generation) + " is still there after the drain: SIGTERM"});
    }
    out.push_back(Signal{generation, one.termed});
    one.termed = true;
  }
  return out;
}

Effects LateProcesses::stop(Time deadline) {
  Effects out;
  for (const auto& [generation, one] : late_) out.push_back(SendStop{generation, deadline});
  return out;
}

std::optional<Time> LateProcesses::deadline() const {
  std::optional<Time> earliest;
  for (const auto& [generation, one] : late_) {
    if (one.next && (!earliest || *one.next < *earliest)) earliest = one.next;
  }
  return earliest;
}

std::optional<Refuse> LateProcesses::refusal(const Policy& policy,
                                             const std::string& service) const {
  // With the owner and its heir. Those that are on their way out are gone in a moment and hold
  // nothing; but they are not to pile up.
  std::size_t leaving = 0;
  for (const auto& [generation, one] : late_) leaving += one.leaving ? 1 : 0;
  if (late_.size() - leaving + 2 <= policy.max_generations && leaving < policy.max_generations) {
    return std::nullopt;
  }
  std::string text = service + " has " + std::to_string(late_.size() + 1) +
                     " processes already, and max_generations is " +
                     std::to_string(policy.max_generations) + ":";
  const char* before = " ";
  for (const auto& [generation, one] : late_) {
    text += before + generation_of(generation) +
            (one.leaving ? " has not exited yet"
                         : " is busy with " + sessions(one.waiting) + unmovable_of(one));
    before = ", ";
  }
  return Refuse{"generations", text + (leaving == late_.size() ? "; wait for them to go"
                                                               : "; wait for them to be released")};
}

}  // namespace handoff::supervisor
