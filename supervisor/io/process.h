// One running process of a service: pid and pidfd together, and the control socket to it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "core/events.h"
#include "io/release.h"
#include "io/service_channel.h"

namespace handoff::supervisor {

struct Process {
  Generation generation = 0;
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd exec_error;  // until it is known whether it runs
  UniqueFd donor_end;   // an heir's: the channel end that its donor will get
  ReleasePtr release;
  std::chrono::system_clock::time_point since;
  bool never_ran = false;      // it could not become the program, and that is known already
  std::vector<NamedFd> named;  // as it has reported them
  std::unique_ptr<ServiceChannel> channel;
  std::unique_ptr<Poll> exec_poll;  // goes before exec_error does
};

}  // namespace handoff::supervisor
