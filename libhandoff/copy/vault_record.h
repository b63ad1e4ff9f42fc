// A session as it is kept in the vault: saved by the service as for a handoff, in its own version,
// or as it came from another process.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

// Saves the session, and puts what it says into the vault; without a vault nothing happens. What
// can't be kept is noted there with the reason, and is no Error. True: the vault wants it again
// once all output is sent, since it keeps much of it, or can't tell of a Unix socket how much has
// gone.
Result<bool> put_in_vault(Registry& registry, std::uint64_t id);

// What an heir's restore(), update() or extend() has taken of a session, in this release's version.
// Of input and output all, or what comes behind those of before, less what was dropped of them.
struct Arrival {
  std::string_view state, input, output;
  std::optional<std::uint64_t> input_dropped = {};
  std::optional<std::uint64_t> output_dropped = {};
  std::uint32_t flags = 0;
  bool has_layer = false;
  bool has_fds = false;  // beside its socket
};
// Before the sessions are this process's nobody recovers from its vault. So each of them is kept
// and committed as it comes, and there is nothing left to do at the switch. Where the vault counts
// already (a late session comes to an owner) nothing happens: the service puts it.
void put_arrival(Registry& registry, std::uint64_t id, const SessionEntry& entry,
                 const Arrival& arrival);
// The session does not come after all.
void drop_arrival(Registry& registry, std::uint64_t id);
// All have come, and their donor does not touch their sockets any more.
void arrived(Registry& registry);
// They are this process's: its vault is the one to recover from.
void count_vault(Registry& registry);

}  // namespace handoff::io
