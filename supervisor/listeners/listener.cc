#include "supervisor/listeners/listener.h"

#include <sys/socket.h>

#include <utility>

#include "libhandoff/sys/socket.h"
#include "supervisor/listeners/socket_file.h"

namespace handoff::supervisor {
namespace {

bool is_file(const core::Address& address) {
  return address.kind == core::Address::Kind::kUnix && !address.abstract;
}

}  // namespace

Result<Listener> Listener::open(const NamedAddress& named, const std::string& spare) {
  const core::Address& address = named.address;
  const std::string what = "listener " + named.name + ": ";
  auto fd = handoff::io::bind_address(address, named.options.bind);
  if (!fd) return fail(fd.error().code, what + fd.error().message);
  auto listener = describe(named, std::move(*fd), spare, true);
  if (listener) listener->options_ = named.options;
  if (!listener || !is_file(address)) return listener;
  const auto dressed = dress(address.host, named.options);
  if (!dressed) return fail(dressed.error().code, what + dressed.error().message);
  return listener;
}

Result<Listener> Listener::adopt(const NamedAddress& named, UniqueFd fd, const std::string& spare) {
  if (!handoff::io::listens_at(fd.get(), named.address)) {
    return fail(-EADDRNOTAVAIL, "listener " + named.name + ": what is there does not listen at " +
                                    core::to_string(named.address));
  }
  return describe(named, std::move(fd), spare, false);
}

Result<void> Listener::set(const ListenerOptions& options) {
  options_.reset();  // should a part of it fail
  int listening = 0;
  socklen_t length = sizeof listening;
  (void)::getsockopt(fd_.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
  // listen(2) again changes the backlog, and nothing else.
  if (listening != 0 && ::listen(fd_.get(), options.bind.backlog.value_or(SOMAXCONN)) < 0) {
    return fail_errno("listener " + name_ + ": listen");
  }
  const bool dresses = options.bind.mode || !options.user.empty() || !options.group.empty();
  if (dresses && !path_.path().empty()) {
    const std::string problem = path_.problem();
    const auto dressed = problem.empty() ? dress(path_.path(), options) : fail(-ENOENT, problem);
    if (!dressed) {
      return fail(dressed.error().code, "listener " + name_ + ": " + dressed.error().message);
    }
  }
  options_ = options;
  return {};
}

bool Listener::is_at(const core::Address& said) const {
  if (asked_ == said) return true;
  const auto address = core::parse_address(address_);
  return address && core::is_at(*address, said);
}

Result<Listener> Listener::describe(const NamedAddress& named, UniqueFd fd,
                                    const std::string& spare, bool fresh) {
  const core::Address& address = named.address;
  Listener listener;
  listener.fd_ = std::move(fd);
  listener.name_ = named.name;
  listener.asked_ = address;
  listener.address_ =
      handoff::io::bound_address(listener.fd_.get()).value_or(core::to_string(address));
  const auto identity = handoff::io::identity_of(listener.fd_.get());
  if (!identity) return Failure(identity.error());
  listener.inode_ = identity->inode;
  listener.device_ = identity->device;
  if (is_file(address)) {
    listener.path_ = SocketPath(address.host, spare, fresh);
  }
  return listener;
}

}  // namespace handoff::supervisor
