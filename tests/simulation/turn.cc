#include "turn.h"

namespace handoff::simulation {

bool Turn::alive(Who who) const {
  switch (who) {
    case Who::kDonor:
      return w.donor.alive;
    case Who::kHeir:
      return w.heir.alive;
    case Who::kSupervisor:
      return w.supervisor.alive;
  }
  return false;
}

bool Turn::act(Who who) {
  if (!alive(who)) return false;
  if (step.cut > 0 && effects == step.cut) {
    --w.left.deaths;
    dies(who);
    return false;
  }
  ++effects;
  return true;
}

bool Turn::refuses(Step::Refusal what) {
  if (step.refusal != what || refused) return false;
  refused = true;
  --w.left.refusals;
  if (!w.donor.alive) w.loss_excused = true;
  // An heir that goes without knowing that its donor is dead, or for want of the listeners, which
  // it could not take: both have failed.
  if (!w.donor.alive && (!w.heir.saw_exit || what == Step::Refusal::kMessage)) {
    w.orphan_excused = true;
  }
  return true;
}

// The fault table: the owner's death is a crash of the service, and so is the death of the last of
// the two. Any other must cost nobody anything.
void Turn::dies(Who who) {
  switch (who) {
    case Who::kDonor: {
      const core::Donor& machine = setting.machines.donor(w.donor.machine);
      const bool taken_back = w.prepare_sent && w.deed == Deed::kDonor;
      const bool gave_up = taken_back || w.to_heir.has(Message::kAbort) || machine.finished();
      // From Prepare on its heir takes the deed, if it still can; from Listeners on it keeps what
      // it can.
      const bool heir_goes_on = w.heir.alive && !w.heir.failed;
      const bool given = w.heir.runs || w.donor.retired || (w.prepare_sent && !gave_up);
      const bool begun = given || (w.listeners_sent && w.donor.donating && !gave_up);
      if (!given || !heir_goes_on) w.loss_excused = true;
      if (!begun || !heir_goes_on) w.orphan_excused = true;
      // Nobody is there to take over: a crash as it is without a handoff.
      if (setting.machines.rehearsal()) w.loss_excused = w.orphan_excused = true;
      w.donor_dies();
      return;
    }
    case Who::kHeir:
      if (w.heir.runs || w.deed == Deed::kHeir || !w.donor.alive || w.donor.retired) {
        w.loss_excused = w.orphan_excused = true;
      }
      w.heir_dies();
      return;
    case Who::kSupervisor:
      w.supervisor_dies();
      return;
  }
}

void Turn::tell(Who who, Message message, std::uint8_t value) {
  if (!act(who) || !w.supervisor.alive || w.supervisor.over) return;
  Mail& mail = who == Who::kDonor ? w.supervisor.from_donor : w.supervisor.from_heir;
  // Progress may be left out if others wait already.
  if (message == Message::kProgressCopy && mail.has(message)) return;
  mail.push({message, value});
}

}  // namespace handoff::simulation
