// The three machines that ship, as the simulation drives them: core/donor, core/heir, and the
// supervisor's core/upgrade.
//
// Time is left out of the world: everything happens at time 0, except for a timer, which happens at
// its deadline, whenever the explorer says so.
#pragma once

#include <cstdint>

#include "automaton.h"
#include "libhandoff/core/donor.h"
#include "libhandoff/core/heir.h"
#include "supervisor/core/upgrade.h"

namespace handoff::simulation {

enum class When : std::uint8_t { kNow, kAtDeadline };

// What the supervisor's machine can hear, some of it with a number of sessions.
enum class Heard : std::uint8_t {
  kRegistered,
  kOwned,
  kHeirFailed,
  kHeirExited,
  kProgressCopy,
  kProgressSwitch,
  kDonorFailed,
  kRetired,
  kRetiredHeirDied,
  kLate,
  kDonorExited,
  kTick,
  kCancelRequested,
};

// What the supervisor's machine orders, or has concluded.
enum class Order : std::uint8_t {
  kDonate,
  kCancelDonor,
  kCancelHeir,
  kTermDonor,
  kKillDonor,
  kTermHeir,
  kKillHeir,
  kHeirOwns,
  kNobodyOwns,
};

class Machines {
 public:
  using Donors = Automaton<core::Donor, core::DonorEffect>;
  using Heirs = Automaton<core::Heir, core::HeirEffect>;
  using Upgrades = Automaton<supervisor::Upgrade, Order>;

  // The machines of a handoff, or of a rehearsal.
  explicit Machines(bool rehearsal = false);

  bool rehearsal() const { return rehearsal_; }

  const core::Donor& donor(Id id) const { return donors_[id]; }
  const core::Heir& heir(Id id) const { return heirs_[id]; }
  const supervisor::Upgrade& upgrade(Id id) const { return upgrades_[id]; }

  // dirty is the number of sessions, of all `sessions`, that have changed since they were copied.
  const Donors::Reaction& step_donor(Id from, core::DonorEventType event, When when,
                                     unsigned dirty = 0, unsigned sessions = 0);
  const Heirs::Reaction& step_heir(Id from, core::HeirEventType event, When when);
  // kept: by the donor, as the heir says.
  const Upgrades::Reaction& step_upgrade(Id from, Heard heard, unsigned sessions, unsigned lost,
                                         unsigned kept);

  const Donors& donors() const { return donors_; }
  const Heirs& heirs() const { return heirs_; }
  const Upgrades& upgrades() const { return upgrades_; }

 private:
  bool rehearsal_;
  Donors donors_;
  Heirs heirs_;
  Upgrades upgrades_;
};

const char* name(supervisor::Upgrade::State state);

}  // namespace handoff::simulation
