// The control socket's messages as bytes: from a service's reports to the core's events, and from
// what the supervisor has to say to its orders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/leaving.h"
#include "libhandoff/protocol/control_reports.h"
#include "libhandoff/protocol/frame.h"
#include "libhandoff/protocol/rehearsal_report.h"
#include "libhandoff/protocol/session_messages.h"
#include "supervisor/core/effects.h"
#include "supervisor/core/events.h"

namespace handoff::supervisor {

// A listener or another named fd, as it is told and reported.
struct NamedFd {
  std::string name;
  std::string address;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  UniqueFd fd = {};  // if the service has shown it
};

// What a process says that the core does not need to know.
struct ReleaseNamed {
  std::string service;
  std::string release;
  core::Manifest manifest = {};
  std::vector<std::string> given_back = {};   // listeners that it knows and does not want
  std::vector<std::string> drops = {};        // of those the ones that nobody is to have
  std::optional<protocol::Vault> vault = {};  // if it asks for one
};
struct FdsNamed {
  std::vector<NamedFd> fds;
  bool more = false;  // further fds, of names that the report before had
};
struct SessionsCounted {
  std::uint64_t query_id = 0;
  std::uint64_t sessions = 0;
  std::uint64_t errors = 0;                              // of the service's own, as it counts
  std::vector<protocol::SessionProcess> processes = {};  // that its sessions need, if asked for
  bool more = false;                                     // and others
};

// What a process says of itself when it comes back.
struct Introduction {
  std::string service;
  std::string release;
  Generation generation = 0;
};
// frame: the first one of a process, all of it.
Result<Introduction> introduction_in(std::string_view frame);

// A message taken apart: for the core, or beside it.
struct Heard {
  std::vector<Event> events;
  std::variant<std::monostate, ReleaseNamed, FdsNamed, SessionsCounted, protocol::Rehearsed> aside;
};

// generation is the sender's; what it says about itself is not believed. fds are the frame's.
Result<Heard> decode(protocol::Type type, std::string_view body, Generation generation,
                     std::vector<UniqueFd> fds = {});

struct HandoffEnd {
  std::uint64_t id = 0;
  std::uint32_t channel_index = 0;
  std::uint32_t peer_index = 0;
  std::uint32_t peer_pid = 0;
  Timeouts timeouts;
  bool rehearsal = false;
  bool drain_incompatible = false;
  std::uint32_t spread = 0;  // permille; 0 if it is not progressive
  bool donor_kept = false;   // heir: the donor has a vault
  // Donate: what the heir's release claims, if it has said so, and what may be left out.
  std::optional<core::Manifest> claims = {};
  core::MayLeaveOut may = {};
  // Donor: what becomes of sessions that can't be moved.
  handoff::core::Unmovable unmovable = handoff::core::Unmovable::kRefuse;
};

// A listener that a Start passes, and the supervisor's fd of it.
struct Passed {
  NamedFd named;
  int fd = -1;
};
// Fresh: the listeners, and those that are kept. An heir's are kept, or moved in place of its
// donor's. before: the other addresses of what moves. offered: without fds.
struct StartListeners {
  std::vector<Passed> listeners = {};
  std::vector<Passed> kept = {};
  std::vector<Passed> moved = {};
  std::vector<Passed> before = {};
  std::vector<Passed> offered = {};
};
struct StartOf {
  std::string service;
  Generation generation = 0;
  std::string report_path;  // where the service goes to if this socket is closed
  std::optional<HandoffEnd> heir = {};
  std::vector<int> heir_fds = {};   // its end of the channel and its donor's pidfd
  int mailbox = -1;                 // -1: there is none
  std::vector<int> vault_fds = {};  // a vault's memory and its keeper's mailbox; none: it gets none
};
struct StartFrame {
  std::string body;
  std::vector<int> fds;  // borrowed
};
// At least one; several where one can't carry all fds. In the first: an heir's two fds, listeners,
// the mailbox, the vault's two.
std::vector<StartFrame> start_frames(const StartOf& start, const StartListeners& listeners);
std::string encode_donate(Generation heir, const HandoffEnd& end);
std::string encode_stop(Time deadline);
std::string encode_drain(Time deadline, LateSessions policy);
std::string encode_spread(std::uint32_t permille);
std::string encode_relink(Generation other, Duration budget);
std::string encode_query(std::uint64_t id, bool processes = false);
std::string encode_cancel(std::uint64_t handoff_id, const std::string& reason);

}  // namespace handoff::supervisor
