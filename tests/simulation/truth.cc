#include "truth.h"

namespace handoff::simulation {

using core::DonorState;
using core::HeirState;
using supervisor::Report;

bool donor_touches(const World& w) { return w.donor.alive && !w.donor.frozen && !w.donor.retired; }
bool donor_touches(const World& w, std::size_t session) {
  return donor_touches(w) || (w.donor.alive && w.donor.late && w.session[session].stays);
}
bool heir_touches(const World& w) { return w.heir.alive && w.heir.runs; }

namespace {

// I2: while donor or heir lives and runs, the sessions get an owner within the budget. Either there
// is something to be read or done at once, or a timer runs that ends with the budget.
std::optional<std::string> unbounded(const World& w, const Setting& setting) {
  if (donor_touches(w) || heir_touches(w)) return std::nullopt;
  const core::Limits limits;
  if (w.donor.acts() && w.donor.donating) {
    const core::Donor& donor = setting.machines.donor(w.donor.machine);
    const bool reads = w.donor_end == DonorEnd::kHeld &&
                       (!w.to_donor.empty() || (!w.heir.alive && !w.donor.saw_eof));
    const bool at_once = reads || (!w.heir.alive && !w.donor.saw_exit);
    if (donor.deadline()) {
      if (*donor.deadline() > donor.frozen_at() + limits.budget) {
        return "I2: a frozen donor waits for longer than its budget";
      }
    } else if (!at_once) {
      return "I2: a frozen donor waits without a deadline";
    }
  }
  if (w.heir.acts() && w.heir.ready && !w.heir.failed && !w.donor.alive) {
    const bool reads = !w.to_heir.empty() || (w.donor_end == DonorEnd::kClosed && !w.heir.saw_eof);
    if (!w.heir.killing && !reads && w.heir.saw_exit) {
      return "I2: the donor is dead, and its heir waits";
    }
  }
  if (w.heir.acts() && w.donor.alive && w.donor.frozen) {
    const core::Heir& heir = setting.machines.heir(w.heir.machine);
    if (heir.state() == HeirState::kPrepared &&
        (!heir.deadline() || *heir.deadline() > 2 * limits.budget)) {
      return "I2: a prepared heir waits for longer than twice the budget";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> violation(const World& w, const Setting& setting) {
  if (w.breach != Breach::kNone) return describe(w.breach);
  if (donor_touches(w) && heir_touches(w)) return "I1: two owners";
  for (std::size_t s = 0; s < w.sessions; ++s) {
    const Session& session = w.session[s];
    const std::string which = " session " + std::to_string(s);
    if (donor_touches(w, s) && heir_touches(w) && session.kept) return "I1: two owners of" + which;
    if (donor_touches(w, s) && !session.donor) {
      return "I3: the donor serves a stale state of" + which;
    }
    if (heir_touches(w) && session.kept && !session.heir) {
      return "I3: the heir serves a stale state of" + which;
    }
  }
  if (setting.machines.rehearsal() && (w.donor.frozen || w.donor.retired || w.heir.runs)) {
    return "I5: a rehearsal has frozen the donor, or handed over";
  }
  // I5: a donor without a handoff serves.
  if (w.donor.alive && !w.donor.donating && w.donor.frozen && !w.donor.retired) {
    return "I5: no handoff is under way, and the donor is still frozen";
  }
  // The service's machine acts on these, so they must be true.
  if (w.supervisor.heir_owns && !w.heir_ran) return "the heir is taken for an owner and is none";
  if (w.supervisor.nobody_owns && w.donor.alive && !w.donor.retired) {
    return "I1: the service is started anew beside its donor";
  }
  if (w.supervisor.nobody_owns && w.heir.alive && !w.heir.failed) {
    return "I1: the service is started anew beside its heir";
  }
  if (w.heir.runs && !w.heir.listeners) return "I2: the heir runs, and has no listeners";
  // The rules that make the rest true.
  if (w.heir.runs && w.word != OwnershipWord::kHeir && !w.heir.saw_exit) {
    return "the heir runs, has not taken the ownership word and has not seen its donor's exit";
  }
  if (donor_touches(w) && w.word == OwnershipWord::kHeir)
    return "the donor serves, and the ownership word is its heir's";
  if (w.release_sent && !w.prepared_sent) return "Release before Prepared";
  return unbounded(w, setting);
}

std::optional<std::string> violation_at_end(const World& w) {
  const DonorSide& donor = w.donor;
  const HeirSide& heir = w.heir;
  if (donor.acts()) {
    if (donor.donating) return "the donor never comes to an end";
    if (donor.retired && !donor.late) return "the donor retired and never exits";
    if (donor.frozen) return "I2: the donor lives and nobody owns the sessions";
    if (w.donor_end == DonorEnd::kHeld || w.donor_end == DonorEnd::kInFlight) {
      return "I5: the donor serves on and has leaked its channel";
    }
    if (!donor.script.empty() || !donor.hears.empty()) return "I5: the donor has unfinished work";
  }
  if (heir.acts() && !heir.runs) return "I5: the heir lives on without owning anything";
  if (heir.acts() && !heir.told) return "the heir never tells that it owns the sessions";
  if (w.supervisor.acts() && !w.supervisor.over) return "the supervisor never comes to an end";

  // I2 and the fault table.
  if (donor.alive && !donor.retired) return std::nullopt;  // it owns them all, or hangs
  if (!heir.alive && !w.orphan_excused)
    return "I2: nobody owns the sessions, and no fault explains it";
  // What is left behind is the donor's, or was closed by it, or has died with it.
  const unsigned left = donor.alive ? w.staying() : w.left_behind();
  if (heir.runs && w.kept() + left < w.sessions && !w.loss_excused) {
    return "a session was lost without a crash of its owner";
  }
  if (donor.retired && !donor.alive && w.unmovable == core::Unmovable::kLate && w.staying() > 0 &&
      !w.late_died) {
    return "I2: the donor has exited, and sessions had stayed with it";
  }
  return std::nullopt;
}

Breach check_report(const World& w, const supervisor::Upgrade& upgrade, bool patient) {
  const Report& report = upgrade.report();
  // A process that does not own the sessions is gone, or is a retired donor on its way out
  // (core/late). If no process is left, the supervisor knows it.
  const bool heir_told = w.supervisor.heir_owns;
  const bool failed =
      report.result == Report::Result::kFailed || report.result == Report::Result::kRehearsed;
  const bool seen_out = w.donor.late || (w.donor.retired && upgrade.donor_leaves_by().has_value());
  if (failed ? w.heir.alive : w.donor.alive && !seen_out) {
    return Breach::kProcessLeft;
  }
  if (w.heir.alive && !heir_told) return Breach::kProcessLeft;
  if (w.supervisor.saw_donor_exit && !heir_told && !w.supervisor.nobody_owns) {
    return Breach::kNobodyUntold;
  }
  const unsigned left = w.left_behind();
  const bool heir_has_all = w.heir_ran && w.kept() + left >= w.sessions;
  // What the donor had kept is lost with a donor that has not spoken of it.
  const bool unaccounted = w.supervisor.saw_donor_exit && !w.supervisor.accounted;
  switch (report.result) {
    case Report::Result::kDone:
      if (!w.heir_ran) return Breach::kDoneWithoutHeir;
      if (w.supervisor.saw_heir_exit || !heir_has_all || report.lost != 0 ||
          report.moved != w.kept() || (unaccounted && w.kept() < w.sessions)) {
        return Breach::kDoneButLost;
      }
      return Breach::kNone;
    case Report::Result::kFailed:
    case Report::Result::kRehearsed:
      if (w.supervisor.owner_heard) return Breach::kFailedButHeirRan;
      if (!patient) return Breach::kNone;
      // A donor that hangs can't be asked, and the exit of one that has died is about to be seen.
      if (w.donor.hung || (!w.donor.alive && !w.supervisor.saw_donor_exit)) return Breach::kNone;
      if (w.heir_ran) return Breach::kFailedButHeirRan;
      if (!w.donor.alive) return Breach::kNone;  // the service's own crash
      // The donor may still be frozen: then it is about to thaw, since nobody else can own the
      // sessions.
      return w.donor.retired ? Breach::kFailedButDonorGone : Breach::kNone;
    case Report::Result::kLost:
      if (donor_touches(w)) return Breach::kLostButNothingIs;
      // The heir may not know whether its donor has them.
      if (left > 0 && !(unaccounted && w.heir_ran && !w.supervisor.saw_heir_exit)) {
        return Breach::kNone;
      }
      if (w.heir_ran && !w.supervisor.saw_heir_exit) {  // as the heir has told
        if (w.kept() == w.sessions) return Breach::kLostButNothingIs;
        return report.lost == w.sessions - w.kept() ? Breach::kNone : Breach::kLostCount;
      }
      // All sessions are lost, if any process has ever told how many there are.
      if (w.supervisor.counted || w.supervisor.owner_heard) {
        return report.lost == w.sessions ? Breach::kNone : Breach::kLostCount;
      }
      return report.lost == 0 ? Breach::kNone : Breach::kLostCount;
  }
  return Breach::kNone;
}

}  // namespace handoff::simulation
