#include "donor_shell.h"

namespace handoff::simulation {

using core::DonorState;
using After = DonorSide::After;
using E = core::DonorEventType;
using F = core::DonorEffect;

// Effects may cause events; they are handled in order, never one inside another.
void DonorShell::handle(E type, When when) {
  events_.push_back({type, when});
  if (handling_) return;
  handling_ = true;
  while (!events_.empty() && donor_.alive) {
    const Event next = events_.front();
    events_.pop_front();
    step(next);
  }
  handling_ = false;
  settle();
}

void DonorShell::step(const Event& event) {
  Machines& machines = turn_.setting.machines;
  E type = event.type;
  if (has_bug(Bug::kReleaseBeforePrepared) && type == E::kDeltaSent) {
    donor_.machine = machines.step_donor(donor_.machine, type, event.when).next;
    type = E::kPrepared;
  }
  const unsigned dirty = type == E::kCopied ? w_.unsent() : 0;
  const auto& reaction = machines.step_donor(donor_.machine, type, event.when, dirty, w_.sessions);
  donor_.machine = reaction.next;
  for (const F effect : reaction.outputs) {
    if (donor_.alive) perform(effect);
  }
}

// Carries out what the machine's final state means for the service.
void DonorShell::settle() {
  if (!donor_.alive || !donor_.donating || !machine().finished()) return;
  donor_.donating = false;
  donor_.machine = 0;
  donor_.saw_exit = donor_.saw_eof = false;
  if (donor_.retired) return;
  for (Session& session : w_.session) session.stays = session.copied = false;
}

void DonorShell::forget_script() {
  donor_.script.clear();
  donor_.after = After::kNothing;
}

void DonorShell::close_channel() {
  w_.donor_end = DonorEnd::kClosed;
  w_.to_donor.clear();
}

// -- what happens

void DonorShell::hears() {
  const Message message = donor_.hears.pop().message;
  if (message == Message::kCancel) {
    if (donor_.donating) handle(E::kRefused);
    return;
  }
  if (donor_.donating || donor_.retired) {
    close_channel();
    turn_.tell(Who::kDonor, Message::kFailed);
    return;
  }
  donor_.donating = true;
  donor_.machine = 0;
  w_.donor_end = DonorEnd::kHeld;
  if (!w_.heir.alive) {
    handle(E::kChannelClosed);
  } else if (turn_.act(Who::kDonor)) {
    w_.to_heir.push({Message::kHello});
  }
}

void DonorShell::sends() {
  Packet packet = donor_.script.front();
  if (!w_.heir.alive) {  // the Release can't be sent, which tells the donor
    forget_script();
    handle(E::kChannelClosed);
    return;
  }
  if (packet.message == Message::kSession) {
    if (turn_.refuses(Step::Refusal::kMessage)) {  // save() fails
      handle(E::kRefused);
      return;
    }
    Session& session = w_.session[packet.value / 2U];
    if (turn_.refuses(Step::Refusal::kSession)) {  // likewise, and that session stays
      session.stays = true;
      donor_.script.pop();
      if (donor_.after == After::kDeltaSent && session.copied) {
        session.copied = false;
        w_.to_heir.push({Message::kClosed, static_cast<std::uint8_t>(packet.value / 2U)});
      }
      return;
    }
    session.copied = true;
    session.sent = session.donor;  // saved at the moment that it is sent
    packet.value = static_cast<std::uint8_t>((packet.value & ~1U) | (session.donor ? 1U : 0U));
  }
  if (packet.message == Message::kListeners) w_.listeners_sent = true;
  if (packet.message == Message::kClosed) w_.session[packet.value].copied = false;
  if (packet.message == Message::kPrepare) {
    w_.prepare_sent = true;
    packet.value = static_cast<std::uint8_t>(w_.copied());
  }
  if (packet.message == Message::kRelease) w_.release_sent = true;
  donor_.script.pop();
  w_.to_heir.push(packet);
  if (!donor_.script.empty()) return;
  const After after = donor_.after;
  donor_.after = After::kNothing;
  if (after == After::kRoundSent) handle(E::kRoundSent);
  if (after == After::kDeltaSent) handle(E::kDeltaSent);
  if (after == After::kReleaseSent) handle(E::kReleaseSent);
}

void DonorShell::receive_one(When when) {
  if (w_.to_donor.empty()) {
    donor_.saw_eof = true;
    handle(E::kChannelClosed);
    return;
  }
  const Packet packet = w_.to_donor.pop();
  switch (packet.message) {
    case Message::kHelloBack:
      return handle(turn_.refuses(Step::Refusal::kMessage) ? E::kRefused : E::kHelloAccepted);
    case Message::kCopied:
      w_.take_refusals(packet.value);
      return handle(E::kCopied);
    case Message::kPrepared:
      if (!has_bug(Bug::kRefusalsForgotten)) w_.take_refusals(packet.value);
      return handle(E::kPrepared, when);
    case Message::kResumed:
      return handle(E::kResumed);
    case Message::kAbort:
      return handle(E::kPeerAborted);
    default:
      return handle(E::kMalformed);
  }
}

void DonorShell::receives(When when) { receive_one(when); }

void DonorShell::sees_exit() {
  donor_.saw_exit = true;
  handle(E::kPeerExited);
}

// What was said in time counts, so the donor reads all messages before it believes the timer.
void DonorShell::timer() {
  const auto deadline = machine().deadline();
  const auto reads = [this] { return donor_.donating && w_.donor_end == DonorEnd::kHeld; };
  while (reads() && !w_.to_donor.empty()) receive_one(When::kAtDeadline);
  if (reads() && !w_.heir.alive && !donor_.saw_eof) receive_one(When::kNow);
  if (donor_.donating && machine().deadline() == deadline) handle(E::kTimer, When::kAtDeadline);
}

void DonorShell::kills() {
  donor_.killing = false;
  if (!w_.heir.alive) return;
  if (w_.heir.runs) w_.breach = Breach::kDonorEndsOwner;
  w_.heir_dies();
}

// Claims the ownership word, as a step of its own: a donor that loses may not know yet that the
// winner is dead.
void DonorShell::claim() {
  if (has_bug(Bug::kThawWithoutClaim)) return handle(E::kWon);
  if (!turn_.act(Who::kDonor)) return;
  if (w_.word == OwnershipWord::kOpen || has_bug(Bug::kDonorClaimsWhatIsTaken))
    w_.word = OwnershipWord::kDonor;
  const bool won = w_.word == OwnershipWord::kDonor || has_bug(Bug::kThawDespiteLost);
  handle(won ? E::kWon : E::kLost);
}

void DonorShell::moves(std::uint8_t session) {
  w_.session[session].sent = w_.session[session].heir = false;
  w_.to_heir.outdate(session);
}

// What stays is the donor's as before, or is closed. An heir that was not heard in time has said
// before what it refuses.
void DonorShell::retire() {
  donor_.retired = true;
  forget_script();
  for (std::size_t i = 0; i < w_.to_donor.size() && !has_bug(Bug::kRefusalsUnread); ++i) {
    if (w_.to_donor[i].message == Message::kPrepared) w_.take_refusals(w_.to_donor[i].value);
  }
  const auto staying = static_cast<std::uint8_t>(w_.staying());
  if (w_.unmovable == core::Unmovable::kLate && staying > 0) {
    donor_.late = !has_bug(Bug::kLateExits);
    donor_.frozen = false;
    turn_.tell(Who::kDonor, Message::kLate, staying);
  } else if (machine().heir_lost()) {
    turn_.tell(Who::kDonor, Message::kRetiredHeirDied, staying);
  } else {
    turn_.tell(Who::kDonor, Message::kRetired, staying);
  }
}

// -- what is done about it

void DonorShell::perform(F effect) {
  switch (effect) {
    case F::kStartRound:
      if (machine().round() == 1) donor_.script.push({Message::kListeners});
      for (std::uint8_t s = 0; s < w_.sessions; ++s) {
        if (!w_.session[s].sent && !w_.session[s].stays) {
          donor_.script.push({Message::kSession, static_cast<std::uint8_t>(s * 2U)});
        }
      }
      donor_.script.push({Message::kCopyEnd});
      donor_.after = After::kRoundSent;
      turn_.tell(Who::kDonor, Message::kProgressCopy);
      return;
    case F::kFreeze:
      donor_.frozen = !has_bug(Bug::kNoFreeze);
      for (std::uint8_t s = 0; s < w_.sessions; ++s) {
        if (w_.session[s].stays && w_.session[s].copied && !has_bug(Bug::kLeftIsNotClosed)) {
          donor_.script.push({Message::kClosed, s});
        }
      }
      for (std::uint8_t s = 0; s < w_.sessions && !has_bug(Bug::kLostDelta); ++s) {
        if (!w_.session[s].sent && !w_.session[s].stays) {
          donor_.script.push({Message::kSession, static_cast<std::uint8_t>(s * 2U)});
        }
      }
      donor_.script.push({Message::kPrepare});
      donor_.after = After::kDeltaSent;
      turn_.tell(Who::kDonor, Message::kProgressSwitch);
      return;
    case F::kSendRelease:
      donor_.script.push({Message::kRelease});
      donor_.after = After::kReleaseSent;
      return;
    case F::kClaim:
      return claim();
    case F::kThaw:
      if (!turn_.act(Who::kDonor)) return;
      forget_script();
      if (!has_bug(Bug::kThawForgotten)) donor_.frozen = false;
      return;
    case F::kSendAbort:
      forget_script();
      if (has_bug(Bug::kCloseInsteadOfAbort)) {
        handle(E::kAbortSent);
      } else if (!w_.heir.alive) {
        handle(E::kChannelClosed);
      } else if (w_.heir.full) {
        handle(E::kAbortUnsendable);
      } else if (turn_.act(Who::kDonor)) {
        w_.to_heir.push({Message::kAbort});
        handle(E::kAbortSent);
      }
      return;
    case F::kFence:
      donor_.killing = true;
      return;
    case F::kCloseChannel:
      if (!has_bug(Bug::kChannelLeaked)) close_channel();
      return;
    case F::kRetire:
      return retire();
    case F::kReportFailed:
      forget_script();
      turn_.tell(Who::kDonor, Message::kFailed);
      return;
  }
}

}  // namespace handoff::simulation
