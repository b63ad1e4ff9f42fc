#include "supervisor/listeners/listener.h"

#include <utility>

#include "libhandoff/sys/socket.h"

namespace handoff::supervisor {

Result<Listener> Listener::open(const NamedAddress& named, const std::string& spare) {
  const core::Address& address = named.address;
  const std::string what = "listener " + named.name + ": ";
  auto fd = handoff::io::bind_address(address);
  if (!fd) return fail(fd.error().code, what + fd.error().message);
  return describe(named, std::move(*fd), spare, true);
}

Result<Listener> Listener::adopt(const NamedAddress& named, UniqueFd fd, const std::string& spare) {
  if (!handoff::io::listens_at(fd.get(), named.address)) {
    return fail(-EADDRNOTAVAIL, "listener " + named.name + ": what is there does not listen at " +
                                    core::to_string(named.address));
  }
  return describe(named, std::move(fd), spare, false);
}

Result<Listener> Listener::describe(const NamedAddress& named, UniqueFd fd,
                                    const std::string& spare, bool fresh) {
  const core::Address& address = named.address;
  Listener listener;
  listener.fd_ = std::move(fd);
  listener.name_ = named.name;
  listener.address_ =
      handoff::io::bound_address(listener.fd_.get()).value_or(core::to_string(address));
  const auto identity = handoff::io::identity_of(listener.fd_.get());
  if (!identity) return Failure(identity.error());
  listener.inode_ = identity->inode;
  listener.device_ = identity->device;
  if (address.kind == core::Address::Kind::kUnix && !address.abstract) {
    listener.path_ = SocketPath(address.host, spare, fresh);
  }
  return listener;
}

}  // namespace handoff::supervisor
