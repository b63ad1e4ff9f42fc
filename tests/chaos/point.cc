#include "point.h"

#include <map>
#include <sstream>

namespace chaos {
namespace {

using Act = Provocation::Act;
using P = Phase;

struct Row {
  const char* points;
  Phase earliest;
  Phase latest;
  Provocation provocation = {};
  bool sections = false;
};

// The heir is slow to restore, so that the donor's budget runs out.
constexpr Provocation kSlowHeir{Act::kHold, "heir.restore.before"};
constexpr Provocation kTooSlowHeir{Act::kDelay, "heir.restore.before"};
constexpr Provocation kRestoreFails{Act::kError, "heir.restore.before"};
constexpr Provocation kHeirHangs{Act::kStopIt, "heir.prepared.sending"};
constexpr Provocation kReleasedHeirHangs{Act::kStopIt, "heir.release.received"};
constexpr Provocation kDonorDies{Act::kKillIt, "donor.copy_end.sent"};
constexpr Provocation kStoppedInMidCopy{Act::kStop, "heir.copied.sending"};
constexpr Provocation kStoppedAfterwards{Act::kStop, "donor.retire.after"};

const Row kRows[] = {
    // -- the heir's start
    // The history is written beside it, and not waited for.
    {"supervisor.record.before supervisor.record.after", P::kAsked, P::kOwned},
    {"supervisor.digest.before", P::kAsked, P::kAsked},
    {"supervisor.save.before supervisor.save.after", P::kBefore, P::kBefore},
    {"supervisor.start.sending supervisor.start.sent supervisor.spawn.before "
     "supervisor.exec.before supervisor.spawn.after service.start.received "
     "service.register.sending service.register.sent supervisor.register.received "
     "supervisor.donate.sending",
     P::kBefore, P::kBefore},
    {"supervisor.donate.sent", P::kBefore, P::kOwned},
    {"service.donate.received donor.hello.sending donor.hello.sent heir.hello.received "
     "heir.hello.sending heir.hello.sent donor.hello.received service.progress.sending "
     "service.progress.sent donor.listeners.sending",
     P::kBefore, P::kBefore},
    // The supervisor asks the donor how many sessions it has, and starts the heir meanwhile.
    {"supervisor.query.sending supervisor.query.sent service.query.received "
     "service.status.sending service.status.sent supervisor.status.received",
     P::kBefore, P::kBefore},
    // -- the copy
    {"supervisor.progress.received", P::kBefore, P::kOwned},
    {"donor.listeners.sent heir.listeners.received donor.sessions.sending donor.sessions.sent "
     "heir.sessions.received donor.copy_end.sending",
     P::kCopy, P::kCopy},
    // An heir that reads the first round at one go answers it with Copied alone. Its first Ack is
    // one of the delta then, and Prepare may be on its way to it.
    {"heir.ack.sending heir.ack.sent donor.ack.received", P::kCopy, P::kPrepared},
    {"donor.copy_end.sent heir.copy_end.received heir.copied.sending donor.copied.received "
     "donor.freeze.before donor.freeze.after donor.prepare.sending",
     P::kCopied, P::kCopied},
    {"service.memory.create", P::kBefore, P::kCopy},
    {"donor.ring.sending donor.ring.sent heir.ring.received donor.section_chunk.sending "
     "donor.section_chunk.sent heir.section_chunk.received",
     P::kCopy,
     P::kCopy,
     {},
     true},
    {"heir.copied.sent", P::kCopied, P::kPrepared},
    // -- the switch
    {"donor.prepare.sent heir.prepare.received heir.restore.before heir.restore.after "
     "heir.prepared.sending donor.prepared.received donor.release.sending",
     P::kPrepared, P::kPrepared},
    {"heir.prepared.sent", P::kPrepared, P::kReleased},
    {"donor.release.sent", P::kReleased, P::kOwned},
    {"heir.release.received heir.claim.before", P::kReleased, P::kReleased},
    {"heir.claim.after heir.resumed.sending heir.resumed.sent donor.resumed.received "
     "heir.run.before heir.run.after "
     "service.owner.sending service.owner.sent supervisor.owner.received donor.retire.before "
     "service.retired.sending service.retired.sent donor.retire.after "
     "supervisor.retired.received donor.close.before donor.close.after",
     P::kOwned, P::kOwned},
    // -- failures
    {"donor.claim.before", P::kGivingUp, P::kGivingUp, kReleasedHeirHangs},
    {"donor.claim.after donor.abort.sending", P::kTakenBack, P::kTakenBack, kSlowHeir},
    {"donor.abort.sent donor.thaw.before donor.thaw.after", P::kFailed, P::kFailed, kSlowHeir},
    {"heir.abort.received", P::kFailed, P::kFailed, kTooSlowHeir},
    {"heir.abort.sending heir.abort.sent donor.abort.received heir.go.before heir.go.after "
     "service.failed.sending service.failed.sent supervisor.failed.received",
     P::kFailed, P::kFailed, kRestoreFails},
    {"supervisor.signal.before supervisor.signal.after", P::kFailed, P::kFailed, kHeirHangs},
    {"heir.fence.before heir.fence.after heir.keep.before heir.keep.after", P::kKeeping,
     P::kKeeping, kDonorDies},
    {"supervisor.cancel.sending supervisor.cancel.sent service.cancel.received", P::kStopping,
     P::kStopping, kStoppedInMidCopy},
    {"supervisor.stop.sending supervisor.stop.sent service.stop.received", P::kStopping,
     P::kStopping, kStoppedAfterwards},
};

constexpr std::string_view kSaid =
    " service.owner.sent supervisor.owner.received service.retired.sent donor.retire.after "
    "supervisor.retired.received donor.close.before donor.close.after ";
// Not supervisor.failed.received: there the supervisor hears the heir's Failed as well as the
// donor's.
constexpr std::string_view kGaveUp = " service.failed.sent ";

std::map<std::string, Point, std::less<>> build() {
  std::map<std::string, Point, std::less<>> out;
  for (const Row& row : kRows) {
    std::istringstream words(row.points);
    for (std::string word; words >> word;) {
      const auto [it, fresh] = out.try_emplace(word);
      const bool question =
          word.find(".query.") != std::string::npos || word.find(".status.") != std::string::npos;
      const bool uncounted = question || row.earliest == P::kAsked;
      it->second = {it->first,
                    row.earliest,
                    row.latest,
                    row.provocation,
                    uncounted,
                    row.sections,
                    kSaid.find(" " + word + " ") != kSaid.npos,
                    kGaveUp.find(" " + word + " ") != kGaveUp.npos};
    }
  }
  return out;
}

}  // namespace

const Point* find_point(std::string_view name) {
  static const auto points = build();
  const auto it = points.find(name);
  return it == points.end() ? nullptr : &it->second;
}

}  // namespace chaos
