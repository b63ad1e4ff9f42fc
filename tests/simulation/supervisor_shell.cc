#include "supervisor_shell.h"

#include "truth.h"

namespace handoff::simulation {

using supervisor::Report;
using supervisor::Upgrade;

// Events that come up while effects are applied wait their turn.
void SupervisorShell::handle(Heard heard, unsigned lost, std::optional<unsigned> sessions,
                             unsigned kept) {
  events_.push_back({heard, lost, sessions.value_or(w_.sessions), kept});
  if (handling_) return;
  handling_ = true;
  while (!events_.empty() && self_.alive && !self_.over) {
    const Event next = events_.front();
    events_.pop_front();
    const auto& reaction = turn_.setting.machines.step_upgrade(self_.machine, next.heard,
                                                               next.sessions, next.lost, next.kept);
    self_.machine = reaction.next;
    for (const Order order : reaction.outputs) {
      if (self_.alive) carry_out(order);
    }
    if (self_.alive && machine().state() == Upgrade::State::kOver) conclude();
  }
  handling_ = false;
}

// -- what happens

void SupervisorShell::hears_donor() {
  const auto [message, value] = self_.from_donor.pop();
  if (message != Message::kFailed) self_.counted = true;
  if (message == Message::kRetired || message == Message::kRetiredHeirDied ||
      message == Message::kLate) {
    self_.accounted = true;
  }
  switch (message) {
    case Message::kProgressCopy:
      return handle(Heard::kProgressCopy);
    case Message::kProgressSwitch:
      if (has_bug(Bug::kTermBeforeOwner)) signal_donor(false);
      return handle(Heard::kProgressSwitch);
    case Message::kRetired:
      return handle(Heard::kRetired, 0, w_.sessions - value);
    case Message::kRetiredHeirDied:
      return handle(Heard::kRetiredHeirDied, 0, w_.sessions - value);
    case Message::kLate:
      return handle(Heard::kLate, value);
    default:
      return handle(Heard::kDonorFailed);
  }
}

void SupervisorShell::hears_heir() {
  const Packet packet = self_.from_heir.pop();
  switch (packet.message) {
    case Message::kRegister:
      handle(Heard::kRegistered);
      if (has_bug(Bug::kDoneOnRegistered)) handle(Heard::kOwned);
      return;
    case Message::kOwner: {
      self_.owner_heard = true;
      // A packet has no room for a second number: what is neither the heir's nor lost, the donor
      // has, and has had since the heir ran.
      const unsigned told = w_.kept() + packet.value;
      const unsigned kept = has_bug(Bug::kKeptUntold) ? 0 : w_.sessions - told;
      return handle(Heard::kOwned, packet.value, told, kept);
    }
    default:
      return handle(Heard::kHeirFailed);
  }
}

void SupervisorShell::drain_donor() {
  while (self_.alive && !self_.over && !self_.from_donor.empty()) hears_donor();
}
void SupervisorShell::drain_heir() {
  while (self_.alive && !self_.over && !self_.from_heir.empty()) hears_heir();
}

// A donor's last words come before its exit. So does what the heir has said till now, since it may
// be about the donor.
void SupervisorShell::sees_donor_exit() {
  drain_donor();
  drain_heir();
  if (!self_.alive || self_.over || w_.donor.alive) return;
  self_.saw_donor_exit = true;
  if (has_bug(Bug::kDeathIsFailure)) end_heir();
  handle(Heard::kDonorExited);
}

void SupervisorShell::sees_heir_exit() {
  drain_heir();
  drain_donor();
  if (!self_.alive || self_.over) return;
  self_.saw_heir_exit = true;
  handle(Heard::kHeirExited);
}

// What has happened in time counts, also if it is seen late: messages and exits come before the
// timer.
void SupervisorShell::timer() {
  const auto deadline = machine().deadline();
  if (!has_bug(Bug::kTimerBeforeWords)) {
    drain_donor();
    drain_heir();
    if (!w_.donor.alive && !self_.saw_donor_exit) sees_donor_exit();
    if (!w_.heir.alive && !self_.saw_heir_exit) sees_heir_exit();
  }
  if (!self_.alive || self_.over || machine().deadline() != deadline) return;
  if (has_bug(Bug::kSilenceIsFailure)) end_heir();
  handle(Heard::kTick);
}

void SupervisorShell::cancels() {
  if (has_bug(Bug::kCancelEndsHeir)) end_heir();
  handle(Heard::kCancelRequested);
}

// -- what is done about it

void SupervisorShell::carry_out(Order order) {
  switch (order) {
    case Order::kHeirOwns:
      self_.heir_owns = true;
      return;
    case Order::kNobodyOwns:
      self_.nobody_owns = true;
      return;
    case Order::kDonate:
      return donate();
    case Order::kCancelDonor:
      if (turn_.act(Who::kSupervisor) && w_.donor.alive) w_.donor.hears.push({Message::kCancel});
      return;
    case Order::kCancelHeir:
      if (turn_.act(Who::kSupervisor) && w_.heir.alive && !w_.heir.runs && !w_.heir.failed) {
        w_.heir.hears.push({Message::kCancel});
      }
      return;
    case Order::kTermDonor:
    case Order::kKillDonor:
      return signal_donor(order == Order::kKillDonor);
    case Order::kTermHeir:
    case Order::kKillHeir:
      return end_heir();
  }
}

void SupervisorShell::donate() {
  if (!turn_.act(Who::kSupervisor)) return;
  if (w_.donor.alive) {
    w_.donor.hears.push({Message::kDonate});
    w_.donor_end = DonorEnd::kInFlight;
  } else {
    w_.donor_end = DonorEnd::kClosed;
    handle(Heard::kDonorFailed);  // unreachable
  }
}

void SupervisorShell::signal_donor(bool kill) {
  if (!turn_.act(Who::kSupervisor) || !w_.donor.alive || has_bug(Bug::kKillForgotten)) return;
  if (!w_.donor.retired && !w_.heir_ran) w_.breach = Breach::kSupervisorSignalsDonor;
  w_.late_died = true;  // it has not said in time that sessions stay with it
  if (kill) {
    w_.donor_dies();
  } else {
    w_.donor.termed = true;
  }
}

// Ends the heir. It may be the owner in one case: it has hung ever since it took over, for longer
// than donor and heir allow each other, and has never said that it serves.
void SupervisorShell::end_heir() {
  if (!turn_.act(Who::kSupervisor) || !w_.heir.alive || has_bug(Bug::kKillForgotten)) return;
  const bool last_hope = !w_.donor.alive || w_.donor.retired;
  if (w_.heir.runs || last_hope) {
    if (!self_.heir_owns && (w_.heir.hung || !turn_.setting.patient)) {
      w_.loss_excused = w_.orphan_excused = true;
    } else if (w_.heir.runs) {
      w_.breach = Breach::kSupervisorEndsOwner;
    }
  }
  w_.heir_dies();
}

void SupervisorShell::conclude() {
  const Breach breach = check_report(w_, machine(), turn_.setting.patient);
  if (w_.breach == Breach::kNone) w_.breach = breach;
  if (w_.donor_end == DonorEnd::kWithSupervisor) w_.donor_end = DonorEnd::kClosed;
  const bool nobody_owns = self_.nobody_owns;
  self_ = {};
  self_.over = true;
  self_.nobody_owns = nobody_owns;
}

}  // namespace handoff::simulation
