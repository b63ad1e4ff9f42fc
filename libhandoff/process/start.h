// How a process learns that it has a supervisor: the control socket named in its environment, and
// the Start that lies in it since before the process was executed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/handoff/shell.h"
#include "libhandoff/process/control_channel.h"
#include "libhandoff/process/mailbox.h"
#include "libhandoff/process/reconnect.h"
#include "libhandoff/process/vaults.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {

struct GivenListener {
  protocol::Named named;
  UniqueFd fd;
};

// This process's end of a handoff.
struct HandoffEnd {
  HandoffParameters parameters;
  UniqueFd channel;
  UniqueFd peer;  // pidfd of the other side
};

// The listeners of a Start.
struct Offers {
  std::vector<GivenListener> listeners = {};  // of a fresh start
  std::vector<GivenListener> kept = {};       // that no process has; taken if they are claimed
  std::vector<GivenListener> moved = {};      // in place of the donor's of that name
  std::vector<GivenListener> before = {};     // at the other address of a name that moves
  std::vector<protocol::Named> offered = {};  // all that this process may claim, by name
};

struct StartOrder {
  ControlChannel control;
  VaultEnds vault = {};
  Reconnect reconnect = {};
  Mailbox mailbox = {};
  std::uint64_t generation = 0;
  Offers offers = {};
  std::optional<HandoffEnd> heir = {};  // of an heir
};

// A supervisor has started this process as its service, whether Start is taken or not. Any thread,
// unless another one changes the environment.
bool is_supervised();

// Says what of HANDOFF_* is ignored (sys/environment.h), and takes it out of the environment.
// Loudly: a service that should have a supervisor would else just not find it. Without a log of the
// service's own the words go to stderr. Returns them; "" if nothing is ignored.
std::string tell_what_is_ignored(const handoff_options& options);
// Reads and unsets HANDOFF_* of the environment; nullopt without a supervisor. HANDOFF_ERR_ORDER in
// a process that has had a supervisor's Start already: a second one never comes.
Result<std::optional<StartOrder>> take_start();

// Takes the end that a message of the supervisor speaks of out of that message's fds.
Result<HandoffEnd> take_end(const protocol::Handoff& handoff, std::vector<UniqueFd>& fds);

}  // namespace handoff::io
