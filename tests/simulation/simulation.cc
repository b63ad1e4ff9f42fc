#include "simulation.h"

#include "donor_shell.h"
#include "heir_shell.h"
#include "supervisor_shell.h"

namespace handoff::simulation {

using core::DonorState;
using K = Step::Kind;
using supervisor::Upgrade;

void Simulation::donor_steps(const World& w, std::vector<Step>& out) const {
  const DonorSide& donor = w.donor;
  if (!donor.acts()) return;
  if (donor.killing) {
    out.push_back({K::kDonorKills});
    return;
  }
  if (donor.donating) {
    const core::Donor& machine = setting_.machines.donor(donor.machine);
    if (!donor.script.empty()) {
      const bool last_word = donor.script.front().message == Message::kRelease;
      if (w.heir.alive ? !w.heir.full : last_word) out.push_back({K::kDonorSends});
    }
    if (w.donor_end == DonorEnd::kHeld) {
      if (!w.to_donor.empty()) {
        out.push_back({K::kDonorReceives});
        if (machine.state() == DonorState::kPreparing &&
            w.to_donor.front().message == Message::kPrepared) {
          out.push_back({K::kDonorReceivesLate});
        }
      } else if (!w.heir.alive && !donor.saw_eof) {
        out.push_back({K::kDonorReceives});
      }
    }
    if (!w.heir.alive && !donor.saw_exit) out.push_back({K::kDonorSeesExit});
    const bool unarmed = setting_.bug == Bug::kNoBudget && donor.frozen;
    if (machine.deadline() && !unarmed) out.push_back({K::kDonorTimer});
  }
  if (!donor.hears.empty()) out.push_back({K::kDonorHears});
  if ((donor.retired && !donor.late) || donor.termed) out.push_back({K::kDonorExits});
}

void Simulation::heir_steps(const World& w, std::vector<Step>& out) const {
  const HeirSide& heir = w.heir;
  if (!heir.acts()) return;
  if (heir.killing) {
    out.push_back({K::kHeirKills});
  } else if (!heir.ready) {
    out.push_back({K::kHeirIsReady});
  } else if (heir.failed) {
    out.push_back({K::kHeirExits});
  } else if (heir.runs) {
    if (!heir.told) out.push_back({K::kHeirTells});
  } else {
    const core::Heir& machine = setting_.machines.heir(heir.machine);
    if (machine.finished()) return;
    if (!w.to_heir.empty() || (w.donor_end == DonorEnd::kClosed && !heir.saw_eof)) {
      out.push_back({K::kHeirReceives});
    }
    if (!w.donor.alive && !heir.saw_exit) out.push_back({K::kHeirSeesExit});
    if (machine.deadline()) out.push_back({K::kHeirTimer});
    if (!heir.hears.empty()) out.push_back({K::kHeirHears});
  }
}

bool Simulation::timer_is_due(const World& w, bool quiet) const {
  const Upgrade& upgrade = setting_.machines.upgrade(w.supervisor.machine);
  if (!upgrade.deadline()) return false;
  if (!setting_.patient || quiet) return true;
  switch (upgrade.state()) {
    case Upgrade::State::kCopying:
    case Upgrade::State::kSwitching:
      return setting_.bug == Bug::kSilenceIsFailure;
    case Upgrade::State::kAwaitingDonor:
    case Upgrade::State::kAwaitingHeir:
      return false;
    default:
      return true;
  }
}

// quiet: donor and heir have nothing to do.
void Simulation::supervisor_steps(const World& w, bool quiet, std::vector<Step>& out) const {
  const SupervisorSide& supervisor = w.supervisor;
  if (!supervisor.acts() || supervisor.over) return;
  if (!supervisor.from_donor.empty()) out.push_back({K::kSupervisorHearsDonor});
  if (!supervisor.from_heir.empty()) out.push_back({K::kSupervisorHearsHeir});
  if (!w.donor.alive && !supervisor.saw_donor_exit) out.push_back({K::kSupervisorSeesDonorExit});
  if (!w.heir.alive && !supervisor.saw_heir_exit) out.push_back({K::kSupervisorSeesHeirExit});
  if (timer_is_due(w, quiet)) out.push_back({K::kSupervisorTimer});
  if (w.left.cancels > 0) out.push_back({K::kOperatorCancels});
}

// The moves that make a difference: if a session has moved since every copy of it was made, another
// move changes nothing.
void Simulation::moves(const World& w, std::vector<Step>& out) const {
  for (std::uint8_t s = 0; s < w.sessions; ++s) {
    const Session& session = w.session[s];
    if (w.donor.acts() && donor_touches(w, s)) {
      bool current_in_flight = false;
      for (std::size_t i = 0; i < w.to_heir.size(); ++i) {
        const Packet packet = w.to_heir[i];
        current_in_flight |= packet.message == Message::kSession && packet.value == (s * 2U + 1U);
      }
      if (session.sent || session.heir || current_in_flight) out.push_back({K::kDonorMoves, s});
    }
    if (w.heir.acts() && heir_touches(w) && session.kept && (session.donor || session.sent)) {
      out.push_back({K::kHeirMoves, s});
    }
  }
}

void Simulation::faults(const World& w, std::vector<Step>& out) const {
  const bool supervising = !w.supervisor.over;
  if (w.left.deaths > 0) {
    if (w.donor.alive) out.push_back({K::kDonorDies});
    if (w.heir.alive) out.push_back({K::kHeirDies});
    if (w.supervisor.alive && supervising) out.push_back({K::kSupervisorDies});
  }
  if (w.left.hangs > 0) {
    if (w.donor.acts()) {
      out.push_back({K::kDonorHangs});
      if (w.donor.donating) out.push_back({K::kDonorHangsFull});
    }
    if (w.heir.acts()) {
      out.push_back({K::kHeirHangs});
      if (w.heir.ready && !w.heir.runs && !w.heir.failed) out.push_back({K::kHeirHangsFull});
    }
    if (w.supervisor.acts() && supervising) out.push_back({K::kSupervisorHangs});
  }
  if (w.donor.hung) out.push_back({K::kDonorWakes});
  if (w.heir.hung) out.push_back({K::kHeirWakes});
  if (w.supervisor.hung) out.push_back({K::kSupervisorWakes});
}

void Simulation::steps(const World& w, std::vector<Step>& out) const {
  const std::size_t before = out.size();
  donor_steps(w, out);
  heir_steps(w, out);
  supervisor_steps(w, out.size() == before, out);
  moves(w, out);
  faults(w, out);
}

bool can_refuse(const World& w, const Step& step, Step::Refusal refusal) {
  if (w.left.refusals == 0) return false;
  if (refusal == Step::Refusal::kSession && w.unmovable == core::Unmovable::kRefuse) return false;
  const bool restore = refusal == Step::Refusal::kRestore;
  switch (step.kind) {
    case K::kDonorSends:
      return !restore && w.donor.script.front().message == Message::kSession;
    case K::kDonorReceives:
      return refusal == Step::Refusal::kMessage && !w.to_donor.empty() &&
             w.to_donor.front().message == Message::kHelloBack;
    case K::kHeirReceives:
    case K::kHeirSeesExit:
    case K::kHeirTimer:
    case K::kHeirHears:
      return true;
    default:
      return false;
  }
}

Simulation::Taken Simulation::take(World& w, const Step& step) const {
  Turn turn(setting_, w, step);
  DonorShell donor(turn);
  HeirShell heir(turn);
  SupervisorShell supervisor(turn);
  const auto hang = [&w](Process& process, bool full) {
    --w.left.hangs;
    process.hung = true;
    process.full = full;
  };
  const auto wake = [](Process& process) { process.hung = process.full = false; };
  const auto die = [&](Who who) {
    --w.left.deaths;
    turn.dies(who);
  };
  switch (step.kind) {
    case K::kDonorHears:
      donor.hears();
      break;
    case K::kDonorSends:
      donor.sends();
      break;
    case K::kDonorReceives:
      donor.receives(When::kNow);
      break;
    case K::kDonorReceivesLate:
      donor.receives(When::kAtDeadline);
      break;
    case K::kDonorSeesExit:
      donor.sees_exit();
      break;
    case K::kDonorTimer:
      donor.timer();
      break;
    case K::kDonorKills:
      donor.kills();
      break;
    case K::kDonorExits:
      w.donor_dies();
      break;
    case K::kHeirIsReady:
      heir.is_ready();
      break;
    case K::kHeirHears:
      heir.hears();
      break;
    case K::kHeirReceives:
      heir.receives();
      break;
    case K::kHeirSeesExit:
      heir.sees_exit();
      break;
    case K::kHeirTimer:
      heir.timer();
      break;
    case K::kHeirKills:
      heir.kills();
      break;
    case K::kHeirTells:
      heir.tells();
      break;
    case K::kHeirExits:
      w.heir_dies();
      break;
    case K::kSupervisorHearsDonor:
      supervisor.hears_donor();
      break;
    case K::kSupervisorHearsHeir:
      supervisor.hears_heir();
      break;
    case K::kSupervisorSeesDonorExit:
      supervisor.sees_donor_exit();
      break;
    case K::kSupervisorSeesHeirExit:
      supervisor.sees_heir_exit();
      break;
    case K::kSupervisorTimer:
      supervisor.timer();
      break;
    case K::kDonorMoves:
      donor.moves(step.session);
      break;
    case K::kHeirMoves:
      heir.moves(step.session);
      break;
    case K::kOperatorCancels:
      --w.left.cancels;
      supervisor.cancels();
      break;
    case K::kDonorDies:
      die(Who::kDonor);
      break;
    case K::kHeirDies:
      die(Who::kHeir);
      break;
    case K::kSupervisorDies:
      die(Who::kSupervisor);
      break;
    case K::kDonorHangs:
      hang(w.donor, false);
      break;
    case K::kHeirHangs:
      hang(w.heir, false);
      break;
    case K::kSupervisorHangs:
      hang(w.supervisor, false);
      break;
    case K::kDonorHangsFull:
      hang(w.donor, true);
      break;
    case K::kHeirHangsFull:
      hang(w.heir, true);
      break;
    case K::kDonorWakes:
      wake(w.donor);
      break;
    case K::kHeirWakes:
      wake(w.heir);
      break;
    case K::kSupervisorWakes:
      wake(w.supervisor);
      break;
  }
  return {turn.effects, turn.refused};
}

}  // namespace handoff::simulation
