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
  if (what == Step::Refusal::kSession) return true;  // nobody gives up for it
  if (!w.donor.alive) w.loss_excused = true;
  // The heir gives up, not knowing that its donor is dead, or since it could not take the
  // listeners: then both processes have failed, and nobody is left.
  if (!w.donor.alive && (!w.heir.saw_exit || what == Step::Refusal::kMessage)) {
    w.orphan_excused = true;
  }
  return true;
}

// By the fault table the death of the owner, or of the last of the two, is a crash of the service.
// Any other death must cost no session.
void Turn::dies(Who who) {
  switch (who) {
    case Who::kDonor: {
      const core::Donor& machine = setting.machines.donor(w.donor.machine);
      const bool taken_back = w.prepare_sent && w.word == OwnershipWord::kDonor;
      const bool gave_up = taken_back || w.to_heir.has(Message::kAbort) || machine.finished();
      // From Prepare on the heir takes the ownership word, if it still can; from the listeners on
      // it keeps what it can.
      const bool heir_goes_on = w.heir.alive && !w.heir.failed;
      const bool given = w.heir.runs || w.donor.retired || (w.prepare_sent && !gave_up);
      const bool begun = given || (w.listeners_sent && w.donor.donating && !gave_up);
      if (!given || !heir_goes_on) w.loss_excused = true;
      if (!begun || !heir_goes_on) w.orphan_excused = true;
      // The heir of a rehearsal does not take over, so this is a crash as without a handoff.
      if (setting.machines.rehearsal()) w.loss_excused = w.orphan_excused = true;
      w.late_died = true;
      w.donor_dies();
      return;
    }
    case Who::kHeir:
      if (w.heir.runs || w.word == OwnershipWord::kHeir || !w.donor.alive || w.donor.retired) {
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
  // The donor leaves out a Progress while another one waits to be read.
  if (message == Message::kProgressCopy && mail.has(message)) return;
  mail.push({message, value});
}

}  // namespace handoff::simulation
