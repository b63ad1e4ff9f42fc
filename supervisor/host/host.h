// What this host allows: limits, capabilities, kernel features. Facts only; `doctor` says what
// follows.
#pragma once

#include <cstdint>
#include <string>

namespace handoff::supervisor {

struct HostFacts {
  std::string kernel;            // uname -r
  std::uint64_t files_soft = 0;  // RLIMIT_NOFILE
  std::uint64_t files_hard = 0;
  bool can_raise_files = false;   // CAP_SYS_RESOURCE: over the hard limit, too
  bool unbounded_flight = false;  // CAP_SYS_ADMIN or CAP_SYS_RESOURCE: no limit for fds in flight
  bool can_repair_tcp = false;    // CAP_NET_ADMIN
  bool can_bind_low = false;      // CAP_NET_BIND_SERVICE
  bool pidfd = false;
  bool memfd = false;
  bool execveat = false;
  bool close_range = false;
  bool fds_in_message = false;     // SCM_RIGHTS with 253 of them
  std::uint64_t wmem_default = 0;  // net.core.wmem_default
};

HostFacts read_host();

}  // namespace handoff::supervisor
