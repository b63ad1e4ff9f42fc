// What a socket is bound with beside its address. All that is left out is as it has always been.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace handoff::core {

struct BindOptions {
  std::optional<int> backlog;         // else SOMAXCONN; the kernel has a limit of its own
  std::optional<bool> v6only;         // of an IPv6 address; else true
  bool freebind = false;              // the address need not be there yet (ip(7))
  bool reuseport = false;             // other sockets of this user may have it, too (socket(7))
  std::string device = {};            // SO_BINDTODEVICE; "" for all
  std::optional<std::uint32_t> mode;  // of a Unix socket's file; else what the umask leaves
  friend bool operator==(const BindOptions&, const BindOptions&) = default;
};

}  // namespace handoff::core
