#include "expectation.h"

namespace chaos {
namespace {

constexpr int kDone = 0, kUnchanged = 1, kNoSupervisor = 3, kLost = 5;

// The verdict on donor and heir alone. An heir whose donor died in mid-copy keeps only independent
// sessions, and not every service has such.
struct Verdict {
  bool loss = false;
  bool down = false;  // neither of the two goes on
  std::set<int> statuses;
};

Verdict donor_killed(Phase phase) {
  switch (phase) {
    case Phase::kAsked:
    case Phase::kBefore:
      return {true, true, {kLost}};
    case Phase::kCopy:
    case Phase::kCopied:
      return {true, true, {kDone, kLost}};
    case Phase::kPrepared:
    case Phase::kReleased:
    case Phase::kOwned:
      return {false, false, {kDone}};
    case Phase::kGivingUp:  // the heir still hangs; see verdict()
      return {true, true, {kLost}};
    case Phase::kTakenBack:
    case Phase::kFailed:
    case Phase::kKeeping:
    case Phase::kStopping:
      return {true, true, {kDone, kLost}};
  }
  return {};
}

Verdict heir_killed(Phase phase) {
  switch (phase) {
    case Phase::kOwned:
    case Phase::kKeeping:
      return {true, true, {kLost}};
    default:
      return {false, false, {kUnchanged}};
  }
}

Verdict donor_stopped(Phase phase) {
  switch (phase) {
    case Phase::kAsked:
    case Phase::kBefore:
    case Phase::kCopy:
    case Phase::kCopied:
    case Phase::kGivingUp:  // the heir is ended by the supervisor
    case Phase::kTakenBack:
    case Phase::kFailed:
      return {false, false, {kUnchanged}};
    case Phase::kKeeping:
      return {true, true, {kDone, kLost}};
    default:
      return {false, false, {kDone}};
  }
}

Verdict heir_stopped(Phase phase) {
  switch (phase) {
    case Phase::kOwned:  // an owner that hangs is the owner still, by the donor's word
      return {false, false, {kDone}};
    case Phase::kKeeping:
      return {true, true, {kDone, kLost}};
    default:
      return {false, false, {kUnchanged}};
  }
}

// Neither donor nor heir is struck for long: the provocation and the clock decide how it ends.
Verdict left_alone(Phase phase) {
  switch (phase) {
    case Phase::kKeeping:
      return {true, false, {kDone, kLost}};
    case Phase::kOwned:
      return {false, false, {kDone}};
    case Phase::kTakenBack:
    case Phase::kFailed:
      return {false, false, {kUnchanged}};
    default:
      return {false, false, {kDone, kUnchanged}};
  }
}

Verdict verdict(const Cell& cell, Phase phase) {
  if (cell.blow == Blow::kSlow || cell.victim == Victim::kSupervisor) return left_alone(phase);
  if (has_donor(cell.victim)) {
    // Without a supervisor nobody ends an heir that hangs: it takes the ownership word when it
    // wakes.
    const bool heir_wakes = phase == Phase::kGivingUp && has_supervisor(cell.victim);
    if (cell.blow == Blow::kKill && heir_wakes) return {false, false, {kDone}};
    return cell.blow == Blow::kKill ? donor_killed(phase) : donor_stopped(phase);
  }
  return cell.blow == Blow::kKill ? heir_killed(phase) : heir_stopped(phase);
}

// A donor that hangs after the switch may be ended for it.
bool loses_late(const Cell& cell, Phase phase) {
  return speaks_tls(cell.service) && has_donor(cell.victim) && cell.blow != Blow::kSlow &&
         phase >= Phase::kPrepared && phase <= Phase::kOwned;
}

void add(Expectation& to, const Verdict& verdict) {
  to.loss = to.loss || verdict.loss;
  to.nobody = to.nobody || verdict.down;
  to.statuses.insert(verdict.statuses.begin(), verdict.statuses.end());
}

}  // namespace

Expectation expect(const Cell& cell, const Point* point) {
  Expectation out;
  if (point == nullptr) {  // at a random moment: whatever the table says of any phase
    for (int phase = 0; phase <= static_cast<int>(Phase::kOwned); ++phase) {
      add(out, verdict(cell, static_cast<Phase>(phase)));
    }
  } else {
    for (int phase = static_cast<int>(point->earliest); phase <= static_cast<int>(point->latest);
         ++phase) {
      add(out, verdict(cell, static_cast<Phase>(phase)));
      out.late_lost = out.late_lost || loses_late(cell, static_cast<Phase>(phase));
    }
    out.quiet_kept = cell.service != Service::kKv && point->earliest == Phase::kCopied &&
                     point->latest == Phase::kCopied && cell.victim == Victim::kDonor;
    if (point->latest == Phase::kStopping) {
      out = {.loss = true, .ordered = true, .nobody = true, .statuses = {0, 1, 5}};
    }
  }
  if (out.late_lost) out.statuses.insert(kLost);
  const bool supervisor_dies = has_supervisor(cell.victim) && cell.blow == Blow::kKill;
  out.nobody = (out.nobody && supervisor_dies) || out.ordered;
  if (supervisor_dies) {
    // The upgrade may have ended just before the blow.
    const bool may_be_over = point == nullptr || point->latest >= Phase::kOwned;
    if (!may_be_over) out.statuses.clear();
    out.statuses.insert(kNoSupervisor);
  }
  // Only a process whose timers run finds out that another hangs, and the supervisor's do not run.
  if (has_supervisor(cell.victim) && cell.blow == Blow::kStop) {
    out.statuses.insert({kDone, kUnchanged});
    if (out.loss) out.statuses.insert(kLost);
  }
  return out;
}

}  // namespace chaos
