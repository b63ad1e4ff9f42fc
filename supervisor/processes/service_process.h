// One running process of a service: pid and pidfd together, and the control socket to it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/core/events.h"
#include "supervisor/host/oom_watch.h"
#include "supervisor/loop/start_queue.h"
#include "supervisor/processes/call.h"
#include "supervisor/processes/service_channel.h"
#include "supervisor/processes/vault.h"
#include "supervisor/releases/executed.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

struct Process {
  Generation generation = 0;
  pid_t pid = -1;
  std::uint64_t started = 0;  // in clock ticks since boot
  std::uint64_t seen = 0;     // it lived then, likewise
  UniqueFd pidfd;
  UniqueFd go;               // until it is let run
  UniqueFd exec_error;       // until it is known whether it runs
  UniqueFd donor_end;        // an heir's: the channel end that its donor will get
  std::uint32_t spread = 0;  // an heir's: what moves at its switch, in thousandths; 0: all
  ReleasePtr release;
  std::string mailbox;  // its address; "" if it has none
  std::string cgroup;   // of its generation alone; "" if it has none
  std::chrono::system_clock::time_point since;
  bool never_ran = false;      // it could not become the program, and that is known already
  std::vector<NamedFd> named;  // as it has reported them
  bool reported = false;       // to this supervisor: until then nobody knows what it has
  std::optional<core::Manifest> manifest;  // as it has registered
  std::vector<std::string> given_back;     // listeners that it knows and does not want, likewise
  std::vector<std::string> drops;          // of those the ones that nobody is to have
  bool barred = false;                     // it broke the protocol: not let in again
  Vault vault;                             // of its sessions
  Generation reads = 0;          // it is the reader of that one's vault; 0: it is a release
  std::vector<UniqueFd> passed;  // to the reader when it is executed: the memory, and its keeper
  bool another = false;          // than the release that it was started as: release is what it is
  // From its Register on, while it is found out what it executes.
  std::optional<std::vector<Heard>> held;
  StartQueue::Place place;                  // among those that start, until it is up
  Executed executed;                        // what was found out
  OomWatch oom;                             // from when it executed its program
  std::unique_ptr<ServiceChannel> channel;  // none: it was found and has not returned yet
  std::unique_ptr<Call> call;               // while it is away, and has a mailbox
  std::unique_ptr<Poll> exec_poll;          // goes before exec_error does
  std::unique_ptr<Poll> exit_poll;  // of one that was found; a child's exit is the Reaper's to see

  // False if it can't be reached.
  bool send(protocol::Type type, std::string body, std::span<const int> fds = {}) {
    return channel && channel->send(type, std::move(body), fds);
  }
};

}  // namespace handoff::supervisor
