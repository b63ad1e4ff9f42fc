// Where a tester strikes: named places in the shells of donor, heir and supervisor. In every build,
// and off unless the environment asks for one:
//
//   HANDOFF_FAILPOINT=POINT[@N[+]]=ACTION[,POINT[@N[+]]=ACTION...]
//
//   kill         SIGKILL to this process
//   stop         SIGSTOP to this process
//   exit         _exit(86)
//   delay:MS     goes on after that many milliseconds
//   error:ERRNO  the operation fails with it (a name or a number)
//   ask:PATH     connects to the SOCK_SEQPACKET socket at PATH, sends the point's name, and goes on
//                when the other end answers or closes: who is to be struck is struck meanwhile
//
// It strikes the N-th time that the process comes by (the first, without @N), and once; with a +,
// each time from then on. Messages
// have points of their own for each end of a channel, see kMessages in failpoint.cc:
// donor.release.sending, donor.release.sent, heir.release.received. `handoff doctor --failpoints`
// prints them all.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace handoff::failpoint {

// Those that are no messages; spelt out so that a hit() with another name does not compile.
inline constexpr std::string_view kSteps[] = {
    "donor.freeze.before",     "donor.freeze.after",
    "donor.thaw.before",       "donor.thaw.after",
    "donor.claim.before",      "donor.claim.after",
    "donor.close.before",      "donor.close.after",
    "donor.retire.before",     "donor.retire.after",
    "heir.restore.before",     "heir.restore.after",
    "heir.claim.before",       "heir.claim.after",
    "heir.keep.before",        "heir.keep.after",
    "heir.run.before",         "heir.run.after",
    "heir.fence.before",       "heir.fence.after",
    "heir.go.before",          "heir.go.after",
    "service.memory.create",  // a memfd: the deed, the ring of the sections, or of a large state
    "supervisor.spawn.before", "supervisor.spawn.after",
    "supervisor.exec.before",  // in the child
    "supervisor.self.before",  "supervisor.save.before",
    "supervisor.save.after",   "supervisor.record.before",
    "supervisor.record.after", "supervisor.signal.before",
    "supervisor.signal.after",
};

class Step {
 public:
  consteval Step(const char* name) : name_(name) {
    bool known = false;
    for (const std::string_view step : kSteps) known = known || step == name_;
    if (!known) throw "no such failpoint: see kSteps";
  }
  constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

// False in any process that was not asked to fail: the only thing that is looked at then.
bool armed();
// What the environment asks for and can't be had ("" if nothing): a point or an action that does
// not exist. To be looked at once, at the start; such a part is ignored.
const std::string& problem();
// Every point, in the order in which a handoff passes them, as near as that can be said.
std::span<const std::string> all();

// Carries out what was asked for here. 0, or the errno with which the operation is to fail.
int strike(std::string_view name);
// The same for a message at one end of a channel: ("donor", "CopyEnd", "sent").
int strike_message(std::string_view side, std::string_view message, std::string_view moment);

inline int hit(Step step) { return armed() ? strike(step.name()) : 0; }

}  // namespace handoff::failpoint
