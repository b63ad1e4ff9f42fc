// The file of a Unix listener: whose it is, and who may connect.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/config/listener_options.h"

namespace handoff::supervisor {

struct SocketOwner {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
};
// Looks the names up, on this host (getpwnam_r(3)); -ENOENT for one that nobody has.
Result<SocketOwner> owner_of(const ListenerOptions& options);

// Gives the socket at that path its owner and its mode, as far as options name them; what is there
// and is no socket stays as it is, also if a link leads to one.
Result<void> dress(const std::string& path, const ListenerOptions& options);

// The most that the kernel lets wait in a listener (net.core.somaxconn); 0 if it does not say.
int longest_queue();

}  // namespace handoff::supervisor
