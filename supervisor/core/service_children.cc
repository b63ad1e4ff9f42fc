// The part of Service that says what becomes of the processes that a generation has left. The owner
// says it at a stop and before a start (core/owner).
#include "supervisor/core/service.h"

namespace handoff::supervisor {

namespace {
constexpr const char* kHowToStart =
    "The service is the process that was started, and no child of it: turn its daemon mode off, "
    "and let a start script `exec` it";
}  // namespace

// What never served has left is of use to nobody. What served may have left something to an heir,
// until all of the service has stopped or is started from nothing.
void Service::look_for_children(const Exited& exited, bool never_served) {
  if (state() == State::kStopping) return;
  const bool owner = owner_.is(exited.generation);
  const bool status_0 = !exited.exit.signalled && !exited.exit.unseen && exited.exit.number == 0;
  const bool by_itself = status_0 && !operation_.replacing();
  if (owner && (by_itself || owner_.timed_out())) {
    out_.push_back(LookForChildren{exited.generation});
  }
  if (never_served && policy_.children == ChildrenPolicy::kEnd) {
    out_.push_back(EndChildren{exited.generation, kChildrenLeave});
  }
}

void Service::on(const ChildrenSeen& seen, Time) {
  const std::string what = "left " + std::to_string(seen.count) +
                           (seen.count == 1 ? " process: " : " processes: ") + seen.names + ". " +
                           kHowToStart;
  note(Note::Level::kWarning,
       "generation " + std::to_string(seen.generation) + " is gone, and " + what);
  const bool last = seen.generation == owner_.last() && current() == 0;
  if (last && !problem_.empty()) problem_ += ", and " + what;
}

void Service::on(const ChildOpened& opened, Time) {
  note(Note::Level::kWarning,
       "a child of generation " + std::to_string(opened.generation) +
           " opens libhandoff in its place, and runs without a supervisor: " + opened.name + ". " +
           kHowToStart);
}

}  // namespace handoff::supervisor
