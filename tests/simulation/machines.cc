#include "machines.h"

namespace handoff::simulation {
namespace {

using core::Donor;
using core::Heir;
using supervisor::Upgrade;

// A simulated session stands for 65 real ones: a donor copies another round once more than 64 have
// changed.
constexpr std::uint64_t kSessionsEach = 65;

constexpr supervisor::Generation kDonor = 1;
constexpr supervisor::Generation kHeir = 2;

template <class Machine>
Machine started(Machine machine) {
  machine.start(0);
  return machine;
}

// A machine in a final state ignores all events, and its reason was told already. So only its state
// counts, and what is still read of it.
bool same_donor(const Donor& a, const Donor& b) {
  if (a.finished()) return a.state() == b.state() && a.heir_lost() == b.heir_lost();
  return a == b;
}
bool same_heir(const Heir& a, const Heir& b) {
  if (a.finished()) {
    return a.state() == b.state() && a.donor_died() == b.donor_died() &&
           a.mid_copy() == b.mid_copy();
  }
  return a == b;
}
bool same_upgrade(const Upgrade& a, const Upgrade& b) { return a == b; }

template <class Machine>
std::size_t by_state(const Machine& machine) {
  return static_cast<std::size_t>(machine.state());
}
std::size_t by_state_and_deadline(const Upgrade& upgrade) {
  const auto deadline = upgrade.deadline();
  return by_state(upgrade) * 1'000'003 +
         (deadline ? static_cast<std::size_t>(deadline->time_since_epoch().count()) : 1);
}

supervisor::Event event_of(Heard heard, unsigned sessions, unsigned lost, unsigned kept) {
  using supervisor::CopyPhase;
  const supervisor::Exit crash{true, 9, false};
  switch (heard) {
    case Heard::kRegistered:
      return supervisor::Registered{.generation = kHeir, .rehearsal = true};  // it knows rehearsals
    case Heard::kOwned:
      return supervisor::Owned{.generation = kHeir,
                               .handoff_id = kHeir,
                               .sessions = sessions - lost,
                               .lost = lost,
                               .kept = kept};
    case Heard::kHeirFailed:
      return supervisor::HandoffFailed{kHeir, kHeir, "rejected", "no"};
    case Heard::kHeirExited:
      return supervisor::Exited{kHeir, crash};
    case Heard::kProgressCopy:
    case Heard::kProgressSwitch:
      return supervisor::Progressed{
          .generation = kDonor,
          .handoff_id = kHeir,
          .phase = heard == Heard::kProgressCopy ? CopyPhase::kCopy : CopyPhase::kSwitch,
          .sessions_total = sessions};
    case Heard::kDonorFailed:
      return supervisor::HandoffFailed{kDonor, kHeir, "timeout", "not in time"};
    case Heard::kRetired:
      return supervisor::DonorRetired{
          .generation = kDonor, .handoff_id = kHeir, .sessions = sessions};
    case Heard::kRetiredHeirDied:
      return supervisor::DonorRetired{.generation = kDonor,
                                      .handoff_id = kHeir,
                                      .sessions = sessions,
                                      .lost = sessions,
                                      .heir_died = true};
    case Heard::kLate:
      return supervisor::DonorLate{
          .generation = kDonor, .handoff_id = kHeir, .waiting = lost, .linked = true};
    case Heard::kDonorExited:
      return supervisor::Exited{kDonor, crash};
    case Heard::kTick:
    case Heard::kCancelRequested:
      break;
  }
  return supervisor::Tick{};
}

std::vector<Order> orders_of(const Upgrade::Step& step) {
  std::vector<Order> orders;
  // The service's own machine follows the turn before anything else happens.
  if (step.turn == Upgrade::Turn::kHeirOwns) orders.push_back(Order::kHeirOwns);
  if (step.turn == Upgrade::Turn::kNobodyOwns) orders.push_back(Order::kNobodyOwns);
  for (const supervisor::Effect& effect : step.effects) {
    if (std::holds_alternative<supervisor::SendDonate>(effect)) {
      orders.push_back(Order::kDonate);
    } else if (const auto* cancel = std::get_if<supervisor::SendCancel>(&effect)) {
      orders.push_back(cancel->generation == kDonor ? Order::kCancelDonor : Order::kCancelHeir);
    } else if (const auto* signal = std::get_if<supervisor::Signal>(&effect)) {
      if (signal->generation == kDonor) {
        orders.push_back(signal->kill ? Order::kKillDonor : Order::kTermDonor);
      } else {
        orders.push_back(signal->kill ? Order::kKillHeir : Order::kTermHeir);
      }
    }
  }
  return orders;
}

}  // namespace

Machines::Machines(bool rehearsal)
    : rehearsal_(rehearsal),
      donors_(started(Donor({.rehearsal = rehearsal})), same_donor, by_state<Donor>),
      heirs_(started(Heir({.rehearsal = rehearsal})), same_heir, by_state<Heir>),
      upgrades_(Upgrade(kDonor, kHeir, supervisor::Timeouts{}, supervisor::Time{}, rehearsal),
                same_upgrade, by_state_and_deadline) {}

const Machines::Donors::Reaction& Machines::step_donor(Id from, core::DonorEventType event,
                                                       When when, unsigned dirty,
                                                       unsigned sessions) {
  const std::uint32_t code = static_cast<std::uint32_t>(event) | dirty << 8 | sessions << 12 |
                             static_cast<std::uint32_t>(when) << 16;
  return donors_.step(from, code, [&](Donor& donor) {
    core::Time now = 0;
    if (when == When::kAtDeadline && donor.deadline()) now = *donor.deadline();
    return donor.step(
        {event, {core::Code::kRejected, {}}, dirty * kSessionsEach, sessions * kSessionsEach}, now);
  });
}

const Machines::Heirs::Reaction& Machines::step_heir(Id from, core::HeirEventType event,
                                                     When when) {
  const std::uint32_t code = static_cast<std::uint32_t>(event) | static_cast<std::uint32_t>(when)
                                                                     << 16;
  return heirs_.step(from, code, [&](Heir& heir) {
    core::Time now = 0;
    if (when == When::kAtDeadline && heir.deadline()) now = *heir.deadline();
    return heir.step({event, {core::Code::kRejected, {}}}, now);
  });
}

const Machines::Upgrades::Reaction& Machines::step_upgrade(Id from, Heard heard, unsigned sessions,
                                                           unsigned lost, unsigned kept) {
  const std::uint32_t code =
      static_cast<std::uint32_t>(heard) | sessions << 8 | lost << 12 | kept << 16;
  return upgrades_.step(from, code, [&](Upgrade& upgrade) {
    if (heard == Heard::kCancelRequested) {
      return orders_of(upgrade.cancel("somebody asked for it", supervisor::Time{}));
    }
    supervisor::Time now{};
    if (heard == Heard::kTick) now = upgrade.deadline().value_or(now);
    return orders_of(upgrade.step(event_of(heard, sessions, lost, kept), now));
  });
}

const char* name(Upgrade::State state) {
  static constexpr const char* kNames[] = {"Starting",     "Copying", "Switching", "AwaitingDonor",
                                           "AwaitingHeir", "Closing", "Over"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace handoff::simulation
