#include "supervisor/listeners/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "libhandoff/sys/socket.h"

namespace handoff::supervisor {

Result<Listener> Listener::open(const NamedAddress& named) {
  const core::Address& address = named.address;
  const std::string what = "listener " + named.name + ": ";
  auto fd = handoff::io::bind_address(address);
  if (!fd) return fail(fd.error().code, what + fd.error().message);
  return describe(named, std::move(*fd));
}

Result<Listener> Listener::adopt(const NamedAddress& named, UniqueFd fd) {
  if (!handoff::io::listens_at(fd.get(), named.address)) {
    return fail(-EADDRNOTAVAIL, "listener " + named.name + ": what is there does not listen at " +
                                    core::to_string(named.address));
  }
  return describe(named, std::move(fd));
}

Result<Listener> Listener::describe(const NamedAddress& named, UniqueFd fd) {
  const core::Address& address = named.address;
  const std::string what = "listener " + named.name + ": ";
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
    struct stat made {};
    if (::lstat(address.host.c_str(), &made) < 0) return fail_errno(what + address.host);
    listener.path_ = address.host;
    listener.path_inode_ = made.st_ino;
    listener.path_device_ = made.st_dev;
  }
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::move(other.fd_)),
      name_(std::move(other.name_)),
      address_(std::move(other.address_)),
      inode_(other.inode_),
      device_(other.device_),
      path_(std::exchange(other.path_, {})),
      path_inode_(other.path_inode_),
      path_device_(other.path_device_) {}

Listener::~Listener() {
  if (path_.empty()) return;
  struct stat found {};
  // Somebody may have put another socket there: that one is not ours to remove.
  if (::lstat(path_.c_str(), &found) == 0 && found.st_ino == path_inode_ &&
      found.st_dev == path_device_) {
    ::unlink(path_.c_str());
  }
}

}  // namespace handoff::supervisor
