#include "supervisor/vault/sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "libhandoff/vault/kernel.h"

namespace handoff::supervisor {
namespace {

int option_of(int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

struct Name {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  bool known = false;
};
Name name_of(int fd) {
  Name out;
  out.known = ::getsockname(fd, reinterpret_cast<sockaddr*>(&out.address), &out.length) == 0;
  return out;
}

// The port, in the order of the network; nullopt: it is no IP address.
std::optional<in_port_t> port_of(const Name& name) {
  if (name.address.ss_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(name.address).sin_port;
  }
  if (name.address.ss_family == AF_INET6) {
    return reinterpret_cast<const sockaddr_in6&>(name.address).sin6_port;
  }
  return std::nullopt;
}

// A listener may be at any address of the host, in both families: its port decides.
bool came_by(const Name& connection, const Name& listener) {
  if (!connection.known || !listener.known) return false;
  if (const auto port = port_of(connection)) return port == port_of(listener);
  return connection.length == listener.length &&
         std::memcmp(&connection.address, &listener.address, connection.length) == 0;
}

}  // namespace

Sockets::Sockets(vault::Kept kept) {
  for (auto& [number, fd] : kept) {
    if (option_of(fd.get(), SO_ACCEPTCONN) == 1) {
      listeners_.push_back(std::move(fd));
      continue;
    }
    // Of one that was duplicated any will do.
    if (const auto cookie = vault::cookie_of(fd.get())) {
      by_cookie_.try_emplace(*cookie, std::move(fd));
    }
  }
}

UniqueFd Sockets::take(std::uint64_t cookie) {
  auto found = by_cookie_.extract(cookie);
  return found ? std::move(found.mapped()) : UniqueFd();
}

bool Sockets::is_accepted(int fd) const {
  if (vault::transport_of(fd) == vault::Transport::kNeither) return false;
  const Name name = name_of(fd);
  return std::any_of(listeners_.begin(), listeners_.end(), [&](const UniqueFd& listener) {
    return came_by(name, name_of(listener.get()));
  });
}

}  // namespace handoff::supervisor
