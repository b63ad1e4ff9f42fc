// The part of Service that goes on from a vault: a handoff like any other, to the release that
// died, whose donor is the vault's reader. Both are started at once.
//
// A recovery has one way to begin again, whoever of the two has failed: the reader is ended, if it
// lives, and with its end the recovery begins from the vault, which is as it was. Before a process
// of a handoff that has come to nothing has ended, nothing begins: it may be the owner.
//
// A vault is wanted until somebody owns its sessions or they are given up. Then the keeper of their
// sockets is told to let go.
#include <algorithm>
#include <utility>

#include "supervisor/core/service.h"

namespace handoff::supervisor {

// What became of a process that was wanted no more is as it was without a vault. A donor that ends
// after its heir took over may not have come to say so in its vault.
void Service::take_vault(const Exited& exited) {
  if (!exited.vault) return;
  const Generation who = exited.generation;
  const Handoff* handoff = operation_.handoff();
  const bool heir = handoff != nullptr && handoff->upgrade.heir() == who;
  const bool served = owner_.serves() && (owner_.is(who) || heir);
  const bool leaves = leaves_ && leaves_->generation == who;
  if (served && !leaves && !operation_.replacing() &&
      vaults_.left(who, *exited.vault, exited.exit)) {
    return;
  }
  out_.push_back(DropVault{who});
}

bool Service::recoverable(Time now) const {
  return vaults_.source() != 0 && vaults_.refusal(policy_.vault, now).empty();
}

// The owner is gone. False: it is not gone on from, and is as dead as one without a vault.
bool Service::recovers(Generation gone, const std::string& how, Time now) {
  if (!recoverable(now)) {
    if (recovery_ || vaults_.source() != 0) {
      note(Note::Level::kError,
           "its sessions are given up: " + vaults_.refusal(policy_.vault, now));
    }
    give_up_recovery();
    return false;
  }
  if (recovery_) {
    note(Note::Level::kWarning,
         "it begins anew to go on from the vault: generation " + std::to_string(gone) + " " + how);
  } else {
    recovery_ = Recovery{.of = gone, .how = how, .died = now, .sessions = owner_.sessions()};
    note(Note::Level::kWarning, "it " + how + ": its sessions go on from the vault");
  }
  problem_ = "it " + recovery_->how;
  owner_.recover(0);
  if (const auto* opening = operation_.opening()) {
    give_up(*opening, Operation::recovers(policy_.name));
    operation_ = {};
  }
  if (operation_.none()) begin_recovery(now);
  return true;
}

// The keeper may have gone since it was decided.
void Service::begin_recovery(Time now) {
  if (!recovery_) return;
  Recovery& recovery = *recovery_;
  if (!recoverable(now)) {
    const Recovery given_up = recovery;  // which ends below
    return nobody_serves(given_up.of, given_up.how, now);
  }
  const Generation reader = owner_.next();
  const Generation heir = owner_.next();
  const HandoffRequested request{.to = Probation::Origin::kSame, .timeouts = policy_.timeouts};
  guessed_ = false;
  vaults_.begun(policy_.vault, now);
  ++recovery.tries;
  owner_.recover(reader);
  add(others_.prepare(request));
  operation_ = {Handoff{.upgrade = Upgrade::recovery(reader, heir, request.timeouts, now),
                        .request = request,
                        .candidate = std::nullopt,
                        .from_vault = true}};
  forward(Counted{reader, recovery.sessions}, now);
  out_.push_back(Announce{.phase = "start", .begins = true});
  out_.push_back(Spawn{.generation = reader,
                       .timeouts = request.timeouts,
                       .vault_of = vaults_.source(),
                       .quarantined = vaults_.quarantined(policy_.vault)});
  out_.push_back(Spawn{.generation = heir, .heir = true, .timeouts = request.timeouts});
}

// The recovery is over, and its reader still has all: its end is heard, and begins another one.
void Service::end_reader(Generation reader) { out_.push_back(EndStart{reader}); }

void Service::recovered(const Handoff& handoff, Report report, Time now) {
  if (!recovery_) return;
  const Time running = report.running != Time{} ? report.running : now;
  ++recoveries_;
  vaults_.recovered(policy_.vault);
  probation_.died(recovery_->how);
  probation_.said_owner(!handoff.upgrade.heir_is_silent());
  problem_.clear();
  out_.push_back(Recovered{.from = *recovery_,
                           .took = std::max(running - recovery_->died, Duration{}),
                           .report = std::move(report)});
  recovery_.reset();
}

void Service::give_up_recovery() {
  if (recovery_ && state() != State::kRunning) {
    out_.push_back(Crashed{recovery_->of, recovery_->how, recovery_->sessions});
  }
  recovery_.reset();
  drop_vaults();
}

// Before its handoff nobody owns the sessions, so they end here. In the middle of it somebody may
// come to own them. Of the handoff in which their owner died the report says how many are lost.
void Service::stop_recovery() {
  if (operation_.recovery()) return;
  if (operation_.none()) return give_up_recovery();
  recovery_.reset();
}

void Service::drop_vaults() {
  for (const Generation generation : vaults_.take_all()) out_.push_back(DropVault{generation});
}

// As the supervisor before this one left it.
void Service::resume_recovery(const Found& found, Time now) {
  owner_.recover(found.current);
  if (found.heir != 0) return;
  if (found.current == 0) return begin_recovery(now);
  end_reader(found.current);
}

}  // namespace handoff::supervisor
