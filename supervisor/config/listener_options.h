// What the configuration says of a listener beside its address.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "libhandoff/core/bind_options.h"

namespace handoff::supervisor {

// A user and a group as this host knows them, as far as it does.
struct SocketOwner {
  std::optional<uid_t> user = {};
  std::optional<gid_t> group = {};
  // Two configurations do not differ by what a host made of them.
  friend bool operator==(const SocketOwner&, const SocketOwner&) { return true; }
};

struct ListenerOptions {
  core::BindOptions bind;
  // Of a Unix socket's file, as names or numbers; "" leaves it as it is.
  std::string user = {};
  std::string group = {};
  SocketOwner known = {};  // of names, once they were looked up (listeners/socket_file.h)
  friend bool operator==(const ListenerOptions&, const ListenerOptions&) = default;
};

// The options of a socket that is bound already: `now`, as far as they can't be changed any more,
// and else `wanted`.
inline ListenerOptions as_bound(const ListenerOptions& now, const ListenerOptions& wanted) {
  ListenerOptions out = wanted;
  out.bind.v6only = now.bind.v6only;
  out.bind.freebind = now.bind.freebind;
  out.bind.reuseport = now.bind.reuseport;
  out.bind.device = now.bind.device;
  return out;
}

}  // namespace handoff::supervisor
