// What a dead process has left, put together from its vault and its sockets: each session with its
// socket and what it goes on with, or with the reason why it can't.
//
// No socket is read or written here: what the kernel has counted of it is asked.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/vault/keeper.h"
#include "libhandoff/vault/reader.h"

namespace handoff::supervisor {

struct LeftSession {
  std::uint64_t id = 0;  // 0: it has none yet
  std::uint32_t kind = 0;
  UniqueFd fd;  // not valid: it has none any more, and is lost
  vault::Recovered saved;
  bool fresh = false;
  std::string lost;  // why it does not go on; "" if it does
};

struct LeftAccount {
  vault::About about;
  std::vector<LeftSession> sessions;
  std::vector<std::string> problems;  // lanes that make no sense
};

// memory is borrowed. HANDOFF_ERR_PROTOCOL for what is no vault, or that of a process that never
// owned.
Result<LeftAccount> read_account(int memory, vault::Kept kept,
                                 const std::set<std::uint64_t>& quarantined);

}  // namespace handoff::supervisor
