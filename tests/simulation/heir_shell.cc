#include "heir_shell.h"

#include <algorithm>

namespace handoff::simulation {

using core::HeirState;
using E = core::HeirEventType;
using F = core::HeirEffect;

void HeirShell::handle(E type, When when) {
  events_.push_back({type, when});
  if (handling_) return;
  handling_ = true;
  while (!events_.empty() && heir_.alive) {
    const Event next = events_.front();
    events_.pop_front();
    step(next.type, next.when);
  }
  handling_ = false;
  settle();
}

void HeirShell::step(E type, When when) {
  const HeirState state = machine().state();
  if (has_bug(Bug::kEofIsReleaseTooEarly) && type == E::kChannelClosed &&
      (state == HeirState::kReceiving || state == HeirState::kCopied)) {
    run();
    return;
  }
  if (has_bug(Bug::kRunWithoutClaim) && type == E::kRelease && state == HeirState::kPrepared) {
    run();
    return;
  }
  if (has_bug(Bug::kIgnoreAbort) && type == E::kPeerAborted) return;
  const auto& reaction = turn_.setting.machines.step_heir(heir_.machine, type, when);
  heir_.machine = reaction.next;
  for (const F effect : reaction.outputs) {
    if (heir_.alive) perform(effect);
  }
}

void HeirShell::settle() {
  if (!heir_.alive || heir_.failed || machine().state() != HeirState::kFailed) return;
  heir_.failed = !has_bug(Bug::kHeirStays);
  turn_.tell(Who::kHeir, Message::kFailed);
}

// -- what happens

void HeirShell::is_ready() {
  heir_.ready = true;
  turn_.tell(Who::kHeir, Message::kRegister);
}

// Hears a Cancel. What the donor had said by then is read first.
void HeirShell::hears() {
  heir_.hears.pop();
  if (!has_bug(Bug::kCancelBeforeWords)) read_what_is_there();
  if (reads()) handle(E::kRefused);
}

E HeirShell::understand(Packet packet) {
  const HeirState state = machine().state();
  const bool copying = state == HeirState::kReceiving || state == HeirState::kCopied ||
                       state == HeirState::kFencing || state == HeirState::kReadingOut;
  switch (packet.message) {
    case Message::kRelease:
      return E::kRelease;
    case Message::kAbort:
      return E::kPeerAborted;
    case Message::kHello:
      if (turn_.refuses(Step::Refusal::kMessage)) return E::kRefused;
      return state == HeirState::kWaiting ? E::kHelloAccepted : E::kMalformed;
    default:
      break;
  }
  if (!copying) return E::kMalformed;
  if (turn_.refuses(Step::Refusal::kMessage)) return E::kRefused;
  switch (packet.message) {
    case Message::kListeners:
      heir_.listeners = true;
      return E::kListeners;
    case Message::kSession: {
      Session& session = w_.session[packet.value / 2U];
      session.heir_has = true;
      if (session.refused) return E::kProgress;  // the donor does not know it yet
      session.heir = (packet.value & 1U) != 0;
      if (turn_.refuses(Step::Refusal::kSession)) refuse(session);
      return E::kProgress;
    }
    case Message::kClosed: {
      Session& session = w_.session[packet.value];
      session.heir_has = session.heir = session.refused = session.told = false;
      return E::kProgress;
    }
    case Message::kCopyEnd:
      return E::kCopyEnd;
    case Message::kPrepare:
      return w_.known_to_heir() == packet.value ? E::kPrepare : E::kMalformed;
    default:
      return E::kMalformed;
  }
}

void HeirShell::receive_one() {
  if (w_.to_heir.empty()) {
    heir_.saw_eof = true;
    handle(E::kChannelClosed);
    return;
  }
  handle(understand(w_.to_heir.pop()));
}

void HeirShell::read_what_is_there() {
  while (reads() && !w_.to_heir.empty()) receive_one();
  if (reads() && w_.donor_end == DonorEnd::kClosed && !heir_.saw_eof) receive_one();
}

// Called within an effect, so its events queue up until that effect is done.
void HeirShell::read_to_the_end() {
  while (!heir_.saw_eof && !w_.to_heir.empty()) {
    const E event = understand(w_.to_heir.pop());
    handle(event);
    if (event == E::kMalformed || event == E::kRefused) heir_.saw_eof = true;  // no further
  }
  if (!heir_.saw_eof && w_.donor_end == DonorEnd::kClosed) {
    heir_.saw_eof = true;
    handle(E::kChannelClosed);
  }
}

void HeirShell::receives() {
  if (reads()) receive_one();
}

void HeirShell::sees_exit() {
  heir_.saw_exit = true;
  handle(E::kPeerExited);
}

// What was said in time counts, so the heir reads all messages before it believes the timer.
void HeirShell::timer() {
  const auto deadline = machine().deadline();
  read_what_is_there();
  if (!reads() || machine().deadline() != deadline) return;
  handle(E::kTimer, When::kAtDeadline);
  if (heir_.failed && w_.prepared_sent && w_.word != OwnershipWord::kDonor) {
    w_.breach = Breach::kHeirLeavesFrozenDonor;
  }
}

// Ends the donor: its channel is closed, so it should be dead already.
void HeirShell::kills() {
  heir_.killing = false;
  if (!w_.donor.alive) return;
  w_.breach = Breach::kHeirEndsServingDonor;
  w_.donor_dies();
}

// Claims the ownership word, as a step of its own: an heir that loses may not know yet that the
// winner is dead.
void HeirShell::claim() {
  if (!turn_.act(Who::kHeir)) return;
  if (w_.word == OwnershipWord::kOpen || has_bug(Bug::kHeirClaimsWhatIsTaken))
    w_.word = OwnershipWord::kHeir;
  const bool won = w_.word == OwnershipWord::kHeir || has_bug(Bug::kRunDespiteLost);
  if (!won && has_bug(Bug::kKeepWithoutExit)) handle(E::kPeerExited);
  handle(won ? E::kWon : E::kLost);
}

// What was left behind is lost only if the donor is.
void HeirShell::tells() {
  heir_.told = true;
  const unsigned gone = w_.sessions - w_.kept();
  const unsigned left = machine().donor_died() ? 0 : std::min(gone, w_.left_behind());
  turn_.tell(Who::kHeir, Message::kOwner, static_cast<std::uint8_t>(gone - left));
}

// Closes its fd, and goes on without it.
void HeirShell::refuse(Session& session) {
  session.refused = true;
  session.heir = false;
}

// The last of those that are here.
void HeirShell::refuse_one() {
  for (std::size_t s = w_.sessions; s-- > 0;) {
    Session& session = w_.session[s];
    if (session.heir_has && !session.refused) return refuse(session);
  }
}

void HeirShell::moves(std::uint8_t session) {
  w_.session[session].sent = w_.session[session].donor = false;
}

// -- what is done about it

void HeirShell::send_or_refuse(Message message) {
  if (!turn_.act(Who::kHeir) || w_.donor_end == DonorEnd::kClosed) return;
  if (w_.donor.full) {
    handle(E::kRefused);
  } else {
    const bool tells = message == Message::kCopied || message == Message::kPrepared;
    w_.to_donor.push({message, tells ? w_.refusals() : std::uint8_t{0}});
  }
}

// Sends Resumed if it can: a donor that does not hear it finds the ownership word taken.
void HeirShell::send_resumed() {
  if (!turn_.act(Who::kHeir) || w_.donor_end == DonorEnd::kClosed || w_.donor.full) return;
  w_.to_donor.push({Message::kResumed});
}

void HeirShell::run() {
  if (!turn_.act(Who::kHeir)) return;
  for (Session& session : w_.session) {
    if (!chosen_) session.kept = session.heir_has && takes(session);
  }
  heir_.runs = true;
  heir_.hears.clear();
  w_.heir_ran = true;
}

void HeirShell::perform(F effect) {
  switch (effect) {
    case F::kSendHello:
      return send_or_refuse(Message::kHelloBack);
    case F::kSendCopied:
      return send_or_refuse(Message::kCopied);
    case F::kRestore:
      if (turn_.refuses(Step::Refusal::kSession)) refuse_one();
      return handle(turn_.refuses(Step::Refusal::kRestore) ? E::kRefused : E::kRestored);
    case F::kSendPrepared:
      w_.prepared_sent = true;
      return send_or_refuse(Message::kPrepared);
    case F::kClaim:
      return claim();
    case F::kSendResumed:
      return send_resumed();
    case F::kKeepUnmoved:
      for (Session& session : w_.session) {
        session.kept = session.heir_has && takes(session) && !w_.shared &&
                       (session.heir || has_bug(Bug::kServeStale));
      }
      chosen_ = true;
      return;
    case F::kRun:
      return run();
    case F::kSendAbort:
      // If the Abort can't be sent, this process's exit tells the donor.
      if (turn_.act(Who::kHeir) && w_.donor_end != DonorEnd::kClosed && !w_.donor.full) {
        w_.to_donor.push({Message::kAbort});
      }
      return;
    case F::kFence:
      heir_.killing = true;
      return;
    case F::kReadOut:
      read_to_the_end();
      return handle(E::kReadOut);
    case F::kGo:
      heir_.hears.clear();
      return;  // the rest is told in settle()
  }
}

}  // namespace handoff::simulation
