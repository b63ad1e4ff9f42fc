// The part of Service that has other processes beside the owner: those that still have sessions,
// and those that share them with it for a while.
#include "supervisor/core/service.h"

namespace handoff::supervisor {

// It serves on with what it has, so that the handoff can end without it.
void Service::on(const DonorLate& late, Time now) {
  if (late.generation == current_ && !upgrade_) return;  // nobody has heard of a switch
  alive_.insert(late.generation);
  // It may be heard before the heir.
  const bool progressive =
      progressive_.first() != 0 && (progressive_.late() == late.generation ||
                                    (upgrade_ && upgrade_->donor() == late.generation));
  add(late_.on(late, policy_.late, now, progressive));
  forward(late, now);
  relink(now);
}

// Both are told: the one gives, and the other gives back what is not its own.
void Service::next_share(Time now) {
  const auto step = progressive_.tick(now);
  if (!step) return;
  note(Note::Level::kInfo, "now " + std::to_string(step->permille / 10) +
                               " % of the sessions are " + "generation " +
                               std::to_string(step->owner) + "'s");
  add({SendSpread{step->late, step->permille}, SendSpread{step->owner, step->permille}});
  if (progressive_.under_way()) return;
  add(late_.drain(policy_.late, now));
  probation_.begin_again(now, progressive_.probation());
}

// Another handoff begins, back to the older release perhaps: until that has another owner, what has
// moved is with the older process again.
void Service::give_back() {
  const auto step = progressive_.give_back();
  if (!step) return;
  note(Note::Level::kWarning, "generation " + std::to_string(step->owner) +
                                  " gives back the sessions that it has had so far");
  add({SendSpread{step->late, 0}, SendSpread{step->owner, 0}});
}

// There is another owner, or soon will be: whatever was left by shares is its own.
void Service::gather(Time now) {
  for (const auto& [generation, one] : late_.all()) {
    if (!one.drained && !one.retired && !progressive_.concerns(generation)) {
      add({SendSpread{generation, 1000}});
    }
  }
  if (!progressive_.under_way()) add(late_.drain(policy_.late, now));
}

// Not during a handoff: the heir is passed the links that there are at its beginning.
void Service::relink(Time now) {
  if (state_ == State::kRunning && current_ != 0 && !upgrade_) add(late_.relink(current_, now));
}

}  // namespace handoff::supervisor
