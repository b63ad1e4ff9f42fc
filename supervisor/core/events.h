// What the machines of the core hear: past-tense facts. A process goes by its generation here,
// never by a pid or an fd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libhandoff/core/leaving.h"
#include "libhandoff/core/staying.h"
#include "supervisor/core/exit.h"
#include "supervisor/core/probation.h"
#include "supervisor/core/time.h"
#include "supervisor/core/vaults.h"

namespace handoff::supervisor {

struct Blackout {
  std::uint64_t p50_us = 0;
  std::uint64_t p99_us = 0;
  std::uint64_t p999_us = 0;
  std::uint64_t max_us = 0;
  friend bool operator==(const Blackout&, const Blackout&) = default;
};

// ---- from a process, on its control socket -----------------------------------------------------

// What a process says and shows of the release that it is.
struct ReleaseSeen {
  std::string name;
  std::string was;       // what a process of the same files has said before; "": none has run
  std::string executes;  // a file that none of the release's processes executed; "" for none

  bool other_files() const { return !executes.empty(); }
  bool another() const { return other_files() || (!was.empty() && name != was); }
};

struct Registered {
  Generation generation = 0;
  bool returning = false;        // it ran before this supervisor did
  std::uint64_t handoff_id = 0;  // then: the handoff that it is in
  bool rehearsal = false;        // an heir that knows that it will only rehearse
  ReleaseSeen seen = {};         // where it is another than what it was started as, see another()
  std::string one_way = {};      // an heir: why nobody could hand back to who runs; "": one could
};

// A session that was not moved at the switch, and why not.
struct Unmoved {
  std::uint64_t session = 0;
  std::string peer;
  bool by_new = false;  // the new release did not take it, else the old one could not give it
  std::string reason;
  friend bool operator==(const Unmoved&, const Unmoved&) = default;
};

struct Owned {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  std::uint64_t sessions = 0;
  std::uint64_t lost = 0;
  std::vector<std::uint64_t> lost_ids;
  std::uint64_t frozen_at_ns = 0;
  std::uint64_t running_at_ns = 0;
  Blackout blackout;
  bool donor_died = false;
  std::uint64_t owned_at_ns = 0;  // 0 from a library that does not say
  std::uint64_t kept = 0;         // by its donor, by the heir's word; likewise
  std::vector<std::uint64_t> kept_ids = {};
  friend bool operator==(const Owned&, const Owned&) = default;
};

enum class CopyPhase { kNone, kCopy, kSwitch, kRetire };

struct Progressed {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  CopyPhase phase = CopyPhase::kNone;
  std::uint64_t at_ns = 0;
  std::uint64_t sessions_sent = 0;
  std::uint64_t sessions_total = 0;
  std::uint64_t bytes = 0;
  std::uint32_t round = 0;
  friend bool operator==(const Progressed&, const Progressed&) = default;
};

struct Counted {  // when it was asked: before a handoff, and again and again on probation
  Generation generation = 0;
  std::uint64_t sessions = 0;
  std::uint64_t errors = 0;
};

// The process ends on purpose, and is not to be started again. Said once or more.
struct Leaves {
  Generation generation = 0;
  std::string why;
  friend bool operator==(const Leaves&, const Leaves&) = default;
};

struct HandoffFailed {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  std::string code;
  std::string reason;
  bool of_peer = false;  // it repeats what the other side told it
};

struct DonorRetired {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  std::uint64_t sessions = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lost = 0;
  bool heir_died = false;
  std::uint64_t at_ns = 0;
  std::uint64_t first_fd_at_ns = 0;  // 0 from a library that does not say
  std::vector<std::uint64_t> lost_ids = {};
  std::vector<core::LeftOut> left_out = {};  // of the handoff, since the heir does not claim it
  std::vector<Unmoved> unmoved = {};         // the first of `closed`
  std::uint64_t closed = 0;                  // that could not be moved, and were reset
};

struct Rehearsed {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  bool complete = false;  // to the end of what a rehearsal does
};

// A donor has given everything away but these sessions, and goes on serving them.
struct DonorLate {
  Generation generation = 0;
  std::uint64_t handoff_id = 0;
  std::uint64_t waiting = 0;
  std::uint64_t moved = 0;   // one by one, since
  std::uint64_t closed = 0;  // at the end of the drain
  bool linked = false;
  std::uint64_t at_ns = 0;
  std::vector<core::LeftOut> left_out = {};  // as DonorRetired's
  std::vector<Unmoved> unmoved = {};         // the first that could not be moved at the switch
  std::uint64_t unmovable = 0;               // of `waiting`, all of those
  std::vector<core::Staying> staying = {};   // of `waiting`, by their service's word
};

// ---- about a process ---------------------------------------------------------------------------

struct SpawnFailed {  // it never ran; there is no Exited for it
  Generation generation = 0;
  std::string why;
  std::string code = "exec";
};

struct Exited {
  Generation generation = 0;
  Exit exit;
  std::optional<VaultLeft> vault = {};  // none: it had none, or nobody keeps its sockets
};

// The keeper of a vault that a process has left has gone.
struct VaultLost {
  Generation generation = 0;
};

// Nothing is left of generations that have gone, or of what can be ended of them: before that
// generation is started; 0: of a service that is stopping.
struct ChildrenEnded {
  Generation generation = 0;
};

// What a generation that has gone has left; heard if it is anything.
struct ChildrenSeen {
  Generation generation = 0;
  std::size_t count = 0;
  std::string names;
};

// A child of a generation's process has opened the library in its parent's place.
struct ChildOpened {
  Generation generation = 0;
  std::string name;
};

// ---- from people, and the clock ----------------------------------------------------------------

// The number of a request. The shell knows by it whom to tell what becomes of the request; 0 is
// nobody: the service acts by itself.
using RequestId = std::uint64_t;

// The release that an upgrade, a plan or a start is to open.
struct Wanted {
  std::string path;
  std::vector<std::string> args;
  bool args_given = false;  // else those of a bundle's manifest come before them
  bool allow_downgrade = false;
};

// Why nothing of a service runs, and nothing is to be started.
enum class Rest {
  kNo,
  kDown,     // it died, and is not restarted
  kStopped,  // somebody has stopped it, until somebody starts it
};

// Nothing of the service lives, and this supervisor begins.
struct StartRequested {
  // All of it had ended before the supervisor did, as at a reboot: a release on probation is not to
  // blame for that.
  bool cold = false;
  std::optional<Wanted> named = {};  // by the configuration: that counts, if it can be opened
};
// Instead of it: processes of the supervisor before this one, which may be alive. Those that turn
// out not to be are reported as Exited after it.
struct Found {
  Generation last = 0;     // the highest one given
  Generation current = 0;  // 0 if there was none
  Generation heir = 0;     // of the handoff under way, if there was one
  bool candidate = false;  // the heir is of another release than the donor
  bool rehearsal = false;  // it is only tried
  Timeouts timeouts;       // of that handoff
  std::uint64_t restarts = 0;
  Rest rest = Rest::kNo;
  std::string left = {};  // kStopped: it has left by itself, and this is why; "" if it has not
  std::optional<Leaves> leaves = {};  // one of its processes is about to
  Generation gone = 0;                // current is 0: who served, and lives no more; 0: nobody did
  Probation::Saved probation;
  Probation::Origin origin = Probation::Origin::kNew;  // of the candidate
  bool by_itself = false;    // the handoff is the way back of a release that did not pass
  std::string one_way = {};  // as Handoff's
  RequestId request = 0;     // of that handoff, to this supervisor
  std::optional<Recovery> recovery = {};  // under way, or about to begin
  bool from_vault = false;                // the handoff is that: current reads the vault
  Vaults::Saved vaults = {};
  std::uint64_t recoveries = 0;  // in all
  // No state file told of these processes: what they say of themselves tells who the owner is.
  bool guessed = false;
};
// A process of a supervisor before this one that nobody knew of: it was found, or it came back.
struct OrphanFound {
  Generation generation = 0;
};

struct HandoffRequested {
  Probation::Origin to = Probation::Origin::kNew;  // upgrade, restart, rollback
  bool rehearsal = false;                          // `plan`: up to the freeze, and then not
  Timeouts timeouts;
  // Progressive: thousandths of the sessions that move one after the other; empty: all at once.
  std::vector<std::uint32_t> shares = {};
  Duration pause{};
  Wanted wanted = {};  // kNew
  RequestId id = 0;
  Generation donor = 0;  // who ran when it was asked for, which may be a while ago; 0: as now
  // Of a service that does not run: if what is wanted can't be had, what ran before is started.
  bool cold = false;
  bool by_start = false;       // nobody has asked: the supervisor begins
  bool unless_so = false;      // nothing is done if it is what runs
  bool ignore_memory = false;  // it is begun, though there may be no room for it
  bool one_way = false;        // also to a release that could not hand back to who runs
};
struct RehearsalDropped {};  // nobody wants to know any more what would come of it
struct CandidateReady {
  Probation::Origin origin = Probation::Origin::kNew;  // what it turned out to be
  bool identical = false;                              // kSame, and by the same path
};
struct CandidateFailed {
  std::string code;
  std::string why;
};

struct StopRequested {
  bool at_once = false;  // SIGKILL instead of drain
  bool to_stay = false;  // until somebody starts it; else the supervisor ends
};

// A release that the supervisor before this one has told of is open, or can't be opened any more.
struct Reopened {
  bool back_lost = false;  // it can't, and it was the one to go back to
};

struct CommitRequested {
  RequestId id = 0;
};

// What is known of the health of the process that runs.
struct HealthHeard {
  Generation generation = 0;
  bool healthy = false;
  std::string why;  // not
};

// A question went to the process that is on probation: Counted answers it.
struct Asked {
  Generation generation = 0;
};

struct Tick {};  // a deadline may have passed

using Event = std::variant<Registered, Owned, Counted, Progressed, HandoffFailed, DonorRetired,
                           Rehearsed, SpawnFailed, Exited, StartRequested, Found, HandoffRequested,
                           RehearsalDropped, CandidateReady, CandidateFailed, StopRequested,
                           CommitRequested, HealthHeard, Asked, Tick, DonorLate, OrphanFound,
                           Reopened, Leaves, ChildrenEnded, ChildrenSeen, ChildOpened, VaultLost>;

}  // namespace handoff::supervisor
