// Failpoints: named places in the shells of donor, heir and supervisor at which a test strikes.
// They are in every build, so that tests strike what is shipped, and off unless the environment
// asks for one:
//
//   HANDOFF_FAILPOINT=POINT[@N[+]]=ACTION[,POINT[@N[+]]=ACTION...]
//
//   kill         SIGKILL to this process
//   stop         SIGSTOP to this process
//   exit         _exit(86)
//   delay:MS     goes on after that many milliseconds
//   error:ERRNO  the operation fails with it (a name or a number)
//   ask:PATH     connects to the SOCK_SEQPACKET socket at PATH, sends the point's name, and goes on
//                when the other end answers or closes; meanwhile the tester strikes any process
//
// A failpoint strikes once, the N-th time that the process passes it (the first, without @N). With
// a +, it strikes each time from then on. Each message has points at both ends of its channel
// (kMessages in failpoint.cc): donor.release.sending, donor.release.sent, heir.release.received.
// `handoff doctor --failpoints` prints them all.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace handoff::failpoint {

// The points that are no messages. They are listed so that a hit() with another name does not
// compile.
inline constexpr std::string_view kSteps[] = {
    "donor.freeze.before",      "donor.freeze.after",
    "donor.thaw.before",        "donor.thaw.after",
    "donor.claim.before",       "donor.claim.after",
    "donor.close.before",       "donor.close.after",
    "donor.retire.before",      "donor.retire.after",
    "heir.restore.before",      "heir.restore.after",
    "heir.claim.before",        "heir.claim.after",
    "heir.keep.before",         "heir.keep.after",
    "heir.run.before",          "heir.run.after",
    "heir.fence.before",        "heir.fence.after",
    "heir.go.before",           "heir.go.after",
    "service.memory.create",  // a memfd: the ownership word, the ring, a large state, a region
    "supervisor.spawn.before",  "supervisor.spawn.after",
    "supervisor.exec.before",  // in the child
    "supervisor.self.opening",  "supervisor.self.before",
    "supervisor.save.before",   "supervisor.save.after",
    "supervisor.record.before", "supervisor.record.after",
    "supervisor.signal.before", "supervisor.signal.after",
    "supervisor.digest.before",
    "supervisor.owner.before",  // names of a listener's owner are looked up
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

// False in a process that was not asked to fail. Nothing else is looked at then, so that failpoints
// cost a shipped build nothing.
bool armed();
// A point or an action that the environment asks for and that does not exist; "" if all do. Such a
// part is ignored, so look at this once, at the start.
const std::string& problem();
// Likewise, of a text that is not the environment's.
std::string problem_of(std::string_view text);
// Every point, in the order in which a handoff passes them, as near as that can be said.
std::span<const std::string> all();

// Carries out the action for this point, if there is one. 0, or the errno with which the operation
// must fail.
int strike(std::string_view name);
// Strikes at a message at one end of a channel: ("donor", "CopyEnd", "sent"). Returns as strike().
int strike_message(std::string_view side, std::string_view message, std::string_view moment);

inline int hit(Step step) { return armed() ? strike(step.name()) : 0; }

}  // namespace handoff::failpoint
