#include "io/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <utility>

namespace handoff::supervisor {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_sockaddr(const Address& address) {
  SocketAddress out;
  if (address.kind == Address::Kind::kUnix) {
    auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, address.path.data(), address.path.size());
    if (address.abstract()) un->sun_path[0] = '\0';
    // An abstract name is exactly as long as it is; a path ends with its NUL.
    out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() +
                                        (address.abstract() ? 0 : 1));
  } else if (address.v6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&out.storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &in->sin6_addr);  // parse_address() has checked it
    out.length = sizeof *in;
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &in->sin_addr);
    out.length = sizeof *in;
  }
  return out;
}

// The port that the kernel has chosen.
Result<std::uint16_t> bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) < 0) {
    return fail_errno("getsockname");
  }
  return storage.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

// Removes what a dead process has left at that path. A listener that answers is somebody's.
Result<void> clear_stale(const Address& address, const SocketAddress& where) {
  struct stat found {};
  if (::lstat(address.path.c_str(), &found) < 0) {
    if (errno == ENOENT) return {};
    return fail_errno(address.path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(-EEXIST, address.path +
                             " exists and is no socket: it is left alone; remove it or "
                             "choose another path");
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return fail_errno("socket");
  if (::connect(probe.get(), where.get(), where.length) == 0 || errno != ECONNREFUSED) {
    return fail(-EADDRINUSE, address.path + " is in use: another process listens there");
  }
  if (::unlink(address.path.c_str()) < 0) return fail_errno("removing the stale " + address.path);
  return {};
}

}  // namespace

Result<Listener> Listener::open(const NamedAddress& named) {
  const Address& address = named.address;
  const std::string what = "listener " + named.name + " (" + to_string(address) + ")";
  const int family = address.kind == Address::Kind::kUnix ? AF_UNIX
                     : address.v6                         ? AF_INET6
                                                          : AF_INET;
  const int type = address.kind == Address::Kind::kUdp ? SOCK_DGRAM : SOCK_STREAM;
  Listener listener;
  listener.name_ = named.name;
  listener.fd_.reset(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.fd_.valid()) return fail_errno(what + ": socket");
  const int fd = listener.fd_.get();
  const int yes = 1;
  if (address.kind == Address::Kind::kTcp &&
      ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0) {
    return fail_errno(what + ": SO_REUSEADDR");
  }
  const SocketAddress where = to_sockaddr(address);
  const bool has_path = address.kind == Address::Kind::kUnix && !address.abstract();
  if (has_path) {
    if (auto cleared = clear_stale(address, where); !cleared) {
      return fail(cleared.error().code, what + ": " + cleared.error().message);
    }
  }
  if (::bind(fd, where.get(), where.length) < 0) return fail_errno(what + ": bind");
  if (has_path) {
    struct stat made {};
    if (::lstat(address.path.c_str(), &made) < 0) return fail_errno(what);
    listener.path_ = address.path;
    listener.path_inode_ = made.st_ino;
    listener.path_device_ = made.st_dev;
  }
  if (type == SOCK_STREAM && ::listen(fd, SOMAXCONN) < 0) return fail_errno(what + ": listen");
  Address real = address;
  if (family != AF_UNIX) {
    auto port = bound_port(fd);
    if (!port) return Failure(port.error());
    real.port = *port;
  }
  listener.address_ = to_string(real);
  struct stat identity {};
  if (::fstat(fd, &identity) < 0) return fail_errno(what + ": fstat");
  listener.inode_ = identity.st_ino;
  listener.device_ = identity.st_dev;
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
