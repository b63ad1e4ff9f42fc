// A process that is another release than it was started as. Its wrapper is the file that ran, and
// execs a program that was replaced; or it reads its version from somewhere.
//
// What was opened is what runs, until somebody says otherwise:
// - who goes back, or starts the same again, wants what ran: a process that shows itself to be
//   another is turned away, and whoever runs goes on;
// - who upgrades wants what lies there: it is a new release, which has to prove itself;
// - where nothing else could be started, it runs, and that is told.
#include "supervisor/core/service.h"

namespace handoff::supervisor {
namespace {

// An upgrade chooses what the release is. Where only its word differs, nothing of what ran before
// is known that one could go back to.
void reconsider(Candidate& candidate, const ReleaseSeen& seen) {
  if (!candidate) return;
  const bool back = *candidate == Probation::Origin::kBack;
  const bool same = *candidate == Probation::Origin::kSame;
  if (back || (same && seen.other_files())) candidate = Probation::Origin::kNew;
}

}  // namespace

std::string Service::other_than(const ReleaseSeen& seen) const {
  const std::string name = seen.was.empty() ? "the release" : "release " + seen.was;
  std::string text = "what was " + name;
  if (seen.other_files()) text += " executes " + seen.executes + ", another file than it did,";
  if (seen.other_files() && seen.name != seen.was) text += " and";
  if (seen.name != seen.was) text += " says that it is release " + seen.name;
  if (seen.other_files() && seen.name == seen.was) text.pop_back();
  return text;
}

bool Service::turns_away(const Registered& registered, Time now) {
  if (registered.returning) return false;  // it was let in before
  const ReleaseSeen& seen = registered.seen;
  const std::string what = other_than(seen);
  static constexpr const char* kAdvice =
      ". Give each release a path of its own, or let its wrapper find its program by its own path "
      "($(dirname \"$0\"))";
  if (Handoff* handoff = operation_.handoff();
      handoff != nullptr && handoff->upgrade.heir() == registered.generation) {
    if (handoff->upgrade.rehearsal()) return false;
    const bool goes_back = handoff->request.to == Probation::Origin::kBack;
    if (goes_back || (!handoff->candidate && seen.other_files())) {
      std::string why = what + kAdvice;
      if (!goes_back) why += "; `handoff upgrade " + policy_.name + "` starts what lies there now";
      follow(*handoff, handoff->upgrade.turn_away(Upgrade::kOtherRelease, why, now), now);
      return true;
    }
    reconsider(handoff->candidate, seen);
    if (handoff->candidate == Probation::Origin::kNew) return false;
    note(Note::Level::kWarning, what + ", of the same files: release " + seen.was +
                                    " is not known any more, so nobody can go back to it");
    return false;
  }
  if (!owner_.is(registered.generation) || state() != State::kStarting) return false;
  Fresh* fresh = operation_.fresh();
  if (fresh != nullptr && fresh->request.to == Probation::Origin::kBack) {
    fresh->fail(Upgrade::kOtherRelease, what + kAdvice);
    fresh->turned_away = true;
    out_.push_back(Signal{registered.generation, true});
    return true;
  }
  if (fresh != nullptr) reconsider(fresh->candidate, seen);
  if (fresh == nullptr || fresh->candidate != Probation::Origin::kNew) {
    out_.push_back(OtherRelease{registered.generation, what + kAdvice});
  }
  return false;
}

}  // namespace handoff::supervisor
