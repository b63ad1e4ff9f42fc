// What the machines of the core want done: imperatives, carried out in order by the shell
// (service/).
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "supervisor/core/events.h"
#include "supervisor/core/late_sessions.h"
#include "supervisor/core/unclaimed.h"

namespace handoff::supervisor {

struct Spawn {
  Generation generation = 0;
  bool candidate = false;  // of the release on trial, else of the current one
  bool heir = false;       // make a channel; the other end is for the donor, with SendDonate
  Timeouts timeouts;       // heir: what it is told
  bool rehearsal = false;
  std::uint32_t spread = 0;  // heir: thousandths of the sessions that move at the switch; 0: all
  // What generations that have gone have left is ended first, which ChildrenEnded tells.
  bool ends_children = false;
  // An heir: of a rollback, or of a probation that failed. An upgrade to the release before is
  // none.
  bool goes_back = false;
  // The reader of that generation's vault in place of a release; 0: it is none. quarantined:
  // sessions that it does not give on.
  Generation vault_of = 0;
  std::vector<std::uint64_t> quarantined = {};
};
struct SendDonate {
  Generation donor = 0;
  Generation heir = 0;  // also the handoff's id
  Timeouts timeouts;
  bool rehearsal = false;
  Direction direction = Direction::kForward;
};
struct SendStop {
  Generation generation = 0;
  Time deadline;
};
struct SendCancel {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  std::string reason;
};
struct Signal {
  Generation generation = 0;
  bool kill = false;  // SIGKILL, else SIGTERM
};

// What a generation that has gone has left is ended: by SIGTERM, after the grace by SIGKILL. 0: of
// all that have gone. ChildrenEnded tells.
struct EndChildren {
  Generation generation = 0;
  Duration grace{};
};
// ChildrenSeen tells what the generation has left.
struct LookForChildren {
  Generation generation = 0;
};

// Of a process that has not come up: it is killed, or is not started at all if it has not been yet.
// Its end is heard in either case.
struct EndStart {
  Generation generation = 0;
};

struct OpenCandidate {
  HandoffRequested request;
};
struct OpenBack {  // the release to go back to is the candidate
  RequestId request = 0;
};
struct TakeCandidate {  // it is the service's release from now on
  Probation::Back back = Probation::Back::kStays;
};
struct TakeBack {};  // likewise, and nothing is behind it
struct DropCandidate {};

// To whoever follows the upgrade.
struct Announce {
  std::string phase;  // start, copy, switch, retire
  std::uint64_t sessions_sent = 0;
  std::uint64_t sessions_total = 0;
  std::uint64_t bytes = 0;
  bool begins = false;    // else only the numbers have changed
  RequestId request = 0;  // with the first of an operation
};

// How an upgrade or a restart ended.
struct Report {
  enum class Result { kDone, kFailed, kLost, kRehearsed };
  Result result = Result::kFailed;
  bool rehearsal = false;  // kRehearsed or not, it was no more than that
  bool fresh = false;      // nothing ran before, so nothing was handed over
  bool by_start = false;   // nobody has asked: the supervisor began
  Generation from = 0;
  Generation to = 0;
  std::uint64_t moved = 0;
  std::uint64_t waiting = 0;  // stay with the donor for now
  std::uint64_t lost = 0;
  std::vector<std::uint64_t> lost_ids;
  std::uint64_t unmovable = 0;              // of `waiting`: they could not be moved
  std::uint64_t closed = 0;                 // they could not be moved, and were reset
  std::vector<Unmoved> unmoved;             // the first of both
  std::vector<core::Staying> staying = {};  // of `waiting`: by their service's word
  std::uint64_t bytes = 0;
  // One after the other: their sum is the time from the request to its end.
  Duration open{};      // until the release was known and its process could be started
  Duration start{};     // until that was ready
  Duration copy{};      // until the donor froze
  Duration switched{};  // until the heir ran
  Duration retire{};    // until the donor had said that nothing is left with it
  // By the donor's clock: from the first fd sent to the heir's Resumed.
  Duration transfer{};
  // Of `switched`, by the heir's clock: from its ownership to its loop's first turn.
  Duration first_turn{};
  std::string slow = {};  // that took longer than the freeze budget
  Time frozen{};
  Time running{};
  Blackout blackout;
  std::string code;  // "" if there is nothing to complain about
  std::string message;
  std::vector<core::LeftOut> left_out = {};  // since the new release does not claim it
  std::string one_way = {};  // why the new one could not hand back, and it was wanted all the same
  // Which release failed; kNone if neither did, or that is not known.
  enum class Failed { kNone, kOld, kNew };
  Failed failed = Failed::kNone;
  // Nobody owns the sessions, and they go on from a vault: none is lost.
  void keep_in_vault();
  friend bool operator==(const Report&, const Report&) = default;
};
struct Conclude {
  Report report;
  RequestId request = 0;
};
// The request is not carried out.
struct Refuse {
  std::string code;
  std::string message;
  RequestId request = 0;
  bool rehearsal = false;  // it was one for a plan
};
// What was asked for is so already.
struct Unchanged {
  RequestId request = 0;
};
// The release that runs is permanent.
struct Committed {
  bool by_itself = false;  // its probation is over, else somebody said so
  bool already = false;
  RequestId request = 0;
};
struct ProbationFailed {
  Generation generation = 0;
  std::string why;
};
// The process that served has ended, and nobody had asked it to.
struct Crashed {
  Generation generation = 0;
  std::string how;
  std::uint64_t sessions = 0;  // as they were counted last
};
// The process that served has ended on purpose.
struct Left {
  Generation generation = 0;
  std::string how;  // it ended
  std::string why;
  std::uint64_t sessions = 0;  // as they were counted last
};
// Since nothing else could be started, a release runs that is another than the one that ran.
struct OtherRelease {
  Generation generation = 0;
  std::string message;
};
// The sessions of a process that has died go on in another, from its vault.
struct Recovered {
  Recovery from;
  Duration took{};  // from the death
  Report report;    // of the handoff that did it
};
// A process that has died will not be gone on from: the keeper of its sockets lets them go.
struct DropVault {
  Generation generation = 0;
};
// Without a handoff: the release before was started anew.
struct WentBack {
  Generation from = 0;
  Generation to = 0;
  std::uint64_t lost = 0;  // sessions of the process that is gone, as they were counted last
  std::string why;
};
// All processes are gone and none will be started.
struct ReportStopped {};

// To a process that has handed over and has sessions left.
struct SendDrain {
  Generation generation = 0;
  Time deadline;
  LateSessions policy = LateSessions::kMove;
};

// A link between the owner and a late process that has none.
struct SendRelink {
  Generation late = 0;
  Generation owner = 0;
};

// Progressive: so many of a thousand sessions are the owner's.
struct SendSpread {
  Generation generation = 0;
  std::uint32_t permille = 0;
};

struct Note {
  enum class Level { kInfo, kWarning, kError };
  Level level = Level::kInfo;
  std::string text;
};

using Effect =
    std::variant<Spawn, SendDonate, SendStop, SendCancel, Signal, EndStart, OpenCandidate, OpenBack,
                 TakeCandidate, TakeBack, DropCandidate, Announce, Conclude, Refuse, Unchanged,
                 Committed, ProbationFailed, Crashed, Left, OtherRelease, WentBack, ReportStopped,
                 Note, SendDrain, SendRelink, SendSpread, EndChildren, LookForChildren, Recovered,
                 DropVault>;
using Effects = std::vector<Effect>;

}  // namespace handoff::supervisor
