#include "libhandoff/sys/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstring>

namespace handoff::io {
namespace {

struct Raw {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// An interface may have a number for its name.
Result<std::uint32_t> interface_of(const std::string& scope) {
  if (const unsigned index = ::if_nametoindex(scope.c_str()); index != 0) return index;
  std::uint32_t index = 0;
  const char* end = scope.data() + scope.size();
  const auto [stopped, error] = std::from_chars(scope.data(), end, index);
  if (error == std::errc() && stopped == end && index != 0) return index;
  return fail(-ENODEV, "there is no network interface \"" + scope + "\" here (ip link)");
}

Result<Raw> to_raw(const core::Address& address) {
  Raw raw;
  if (address.kind == core::Address::Kind::kUnix) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    char* path = un.sun_path + (address.abstract ? 1 : 0);
    if (address.host.size() + (address.abstract ? 1 : 0) >= sizeof un.sun_path) {
      return fail(-ENAMETOOLONG, "unix path " + address.host);
    }
    std::memcpy(path, address.host.data(), address.host.size());
    std::memcpy(&raw.storage, &un, sizeof un);
    raw.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + address.host.size());
    return raw;
  }
  if (address.v6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    std::string host = address.host;
    if (const auto percent = host.find('%'); percent != std::string::npos) {
      const auto index = interface_of(host.substr(percent + 1));
      if (!index) return Failure(index.error());
      in.sin6_scope_id = *index;
      host.resize(percent);
    }
    if (::inet_pton(AF_INET6, host.c_str(), &in.sin6_addr) != 1) {
      return fail(-EINVAL, "'" + address.host + "' is no IPv6 address");
    }
    std::memcpy(&raw.storage, &in, sizeof in);
    raw.length = sizeof in;
    return raw;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &in.sin_addr) != 1) {
    return fail(-EINVAL, "'" + address.host + "' is no IPv4 address");
  }
  std::memcpy(&raw.storage, &in, sizeof in);
  raw.length = sizeof in;
  return raw;
}

const sockaddr* as_sockaddr(const Raw& raw) {
  return reinterpret_cast<const sockaddr*>(&raw.storage);
}

// Whether a dead listener has left its socket at that path, where the next one can't bind. A
// listener that accepts, or whose queue is full, is alive: EADDRINUSE.
Result<bool> is_stale(const std::string& path, const Raw& raw) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) < 0) {
    if (errno == ENOENT) return false;
    return fail_errno(path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(-EEXIST, path +
                             " exists and is no socket: it is left alone; remove it or choose "
                             "another path");
  }
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return fail_errno("socket");
  if (::connect(probe.get(), as_sockaddr(raw), raw.length) == 0 || errno != ECONNREFUSED) {
    return fail(-EADDRINUSE, path + " is in use: another process listens there");
  }
  return true;
}

Result<void> clear_stale(const std::string& path, const Raw& raw) {
  const auto stale = is_stale(path, raw);
  if (!stale) return Failure(stale.error());
  if (*stale && ::unlink(path.c_str()) < 0) return fail_errno("removing the stale " + path);
  return {};
}

Result<void> switch_on(int fd, int level, int option, const char* name) {
  const int on = 1;
  if (::setsockopt(fd, level, option, &on, sizeof on) < 0) return fail_errno(name);
  return {};
}

Result<void> set_options(int fd, const core::Address& address, const core::BindOptions& options) {
  Result<void> set;
  if (address.kind == core::Address::Kind::kTcp) {
    set = switch_on(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
  }
  // Set in either case: net.ipv6.bindv6only is the default of the host.
  if (set && address.v6) {
    const int only = options.v6only.value_or(true) ? 1 : 0;
    if (::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) {
      return fail_errno("IPV6_V6ONLY");
    }
  }
  if (set && options.freebind) {  // of both families: the option of IPv6 is younger
    set = switch_on(fd, IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND");
  }
  if (set && options.reuseport) set = switch_on(fd, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT");
  if (set && !options.device.empty() &&
      ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.device.data(),
                   static_cast<socklen_t>(options.device.size())) < 0) {
    return fail_errno("SO_BINDTODEVICE " + options.device);
  }
  // The file of a Unix socket gets the mode of the socket's own inode, less the umask: so nobody
  // else can connect before the caller has set the whole of it.
  if (set && options.mode && ::fchmod(fd, *options.mode) < 0) return fail_errno("fchmod");
  return set;
}

// A socket for that address, not bound yet.
Result<UniqueFd> unbound(const core::Address& address, const Raw& raw,
                         const core::BindOptions& options) {
  const bool udp = address.kind == core::Address::Kind::kUdp;
  UniqueFd fd(::socket(raw.storage.ss_family,
                       (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  const auto set = set_options(fd.get(), address, options);
  if (!set) return Failure(set.error());
  return fd;
}

}  // namespace

Result<UniqueFd> connect_address(const core::Address& address) {
  const auto raw = to_raw(address);
  if (!raw) {
    return fail(raw.error().code,
                "connecting to " + core::to_string(address) + ": " + raw.error().message);
  }
  UniqueFd fd(::socket(raw->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("connecting to " + core::to_string(address));
  // A Unix socket whose queue is full gives EAGAIN, which is an error here: nothing says when there
  // is room.
  if (::connect(fd.get(), as_sockaddr(*raw), raw->length) < 0 && errno != EINPROGRESS) {
    return fail_errno("connecting to " + core::to_string(address));
  }
  return fd;
}

Result<UniqueFd> bind_address(const core::Address& address, const core::BindOptions& options) {
  const std::string what = "binding " + core::to_string(address);
  const auto raw = to_raw(address);
  if (!raw) return fail(raw.error().code, what + ": " + raw.error().message);
  auto fd = unbound(address, *raw, options);
  if (!fd) return fail(fd.error().code, what + ": " + fd.error().message);
  if (address.kind == core::Address::Kind::kUnix && !address.abstract) {
    const auto cleared = clear_stale(address.host, *raw);
    if (!cleared) return fail(cleared.error().code, what + ": " + cleared.error().message);
  }
  if (::bind(fd->get(), as_sockaddr(*raw), raw->length) < 0) return fail_errno(what);
  const bool udp = address.kind == core::Address::Kind::kUdp;
  if (!udp && ::listen(fd->get(), options.backlog.value_or(SOMAXCONN)) < 0) return fail_errno(what);
  return fd;
}

Result<void> can_bind(const core::Address& address, const core::BindOptions& options) {
  const std::string what = "binding " + core::to_string(address);
  const auto raw = to_raw(address);
  if (!raw) return fail(raw.error().code, what + ": " + raw.error().message);
  if (address.kind == core::Address::Kind::kUdp) return {};
  if (address.kind == core::Address::Kind::kUnix && !address.abstract) {
    const auto stale = is_stale(address.host, *raw);
    if (!stale) return fail(stale.error().code, what + ": " + stale.error().message);
    const std::string folder = address.host.substr(0, address.host.rfind('/') + 1);
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) < 0) {
      return fail_errno(what + ": " + folder);
    }
    return {};
  }
  // A socket that is bound and does not listen accepts nobody, so nobody notices the try.
  const auto fd = unbound(address, *raw, options);
  if (!fd) return fail(fd.error().code, what + ": " + fd.error().message);
  if (::bind(fd->get(), as_sockaddr(*raw), raw->length) < 0) return fail_errno(what);
  return {};
}

namespace {

// The name of an interface in the network namespace of the socket, which may be another than this
// process's; its number if it is gone, or has a name that no address can have.
std::string interface_name(int fd, std::uint32_t index) {
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(index);
  if (::ioctl(fd, SIOCGIFNAME, &request) == 0) {
    std::string name(request.ifr_name, ::strnlen(request.ifr_name, sizeof request.ifr_name));
    if (core::parse_address("udp:[fe80::1%" + name + "]:0")) return name;
  }
  return std::to_string(index);
}

// ask: getsockname(2) or getpeername(2).
std::optional<std::string> address_by(int (*ask)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &length) < 0) return std::nullopt;
  int type = 0;
  socklen_t type_length = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0) return std::nullopt;
  core::Address address;
  address.kind = type == SOCK_DGRAM ? core::Address::Kind::kUdp : core::Address::Kind::kTcp;
  char text[INET6_ADDRSTRLEN] = {};
  std::string scope;
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    if (::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text) == nullptr) return std::nullopt;
    address.port = ntohs(in.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    if (::inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text) == nullptr) return std::nullopt;
    address.v6 = true;
    address.port = ntohs(in.sin6_port);
    if (in.sin6_scope_id != 0) scope = "%" + interface_name(fd, in.sin6_scope_id);
  } else if (storage.ss_family == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &storage, sizeof un);
    address.kind = core::Address::Kind::kUnix;
    if (length <= offsetof(sockaddr_un, sun_path)) return std::nullopt;
    const std::size_t n = length - offsetof(sockaddr_un, sun_path);
    address.abstract = un.sun_path[0] == '\0';
    address.host = address.abstract ? std::string(un.sun_path + 1, n - 1)
                                    : std::string(un.sun_path, ::strnlen(un.sun_path, n));
    return core::to_string(address);
  } else {
    return std::nullopt;
  }
  address.host = text + scope;
  return core::to_string(address);
}

}  // namespace

std::optional<std::string> bound_address(int fd) {
  return address_by([](int s, sockaddr* at, socklen_t* n) { return ::getsockname(s, at, n); }, fd);
}

std::optional<std::string> peer_address(int fd) {
  auto named =
      address_by([](int s, sockaddr* at, socklen_t* n) { return ::getpeername(s, at, n); }, fd);
  if (named) return named;
  ucred peer{};  // a Unix socket without a name
  socklen_t length = sizeof peer;
  const int got = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  if (got < 0 || peer.pid <= 0) return std::nullopt;
  return "process " + std::to_string(peer.pid);
}

bool listens_at(int fd, const core::Address& address) {
  const auto there = bound_address(fd);
  const auto bound = core::parse_address(there.value_or(""));
  if (!bound || !core::is_at(*bound, address)) return false;
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0) return false;
  return address.kind == core::Address::Kind::kUdp || listening != 0;
}

core::Address with_interface_name(core::Address address) {
  const std::size_t percent = address.v6 ? address.host.find('%') : std::string::npos;
  if (percent == std::string::npos) return address;
  const auto index = interface_of(address.host.substr(percent + 1));
  const UniqueFd any(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!index || !any.valid()) return address;
  address.host = address.host.substr(0, percent + 1) + interface_name(any.get(), *index);
  return address;
}

Result<Identity> identity_of(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) < 0) return fail_errno("fstat of a passed fd");
  return Identity{info.st_ino, info.st_dev};
}

bool can_be_passed(int fd) {
  char is[32] = {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return ::readlink(path.c_str(), is, sizeof is - 1) < 0 ||
         std::string_view(is) != "anon_inode:[io_uring]";
}

std::optional<core::Counters> counters_of(int fd) {
  const auto info_of = [fd](tcp_info& info) {
    std::memset(&info, 0, sizeof info);
    socklen_t length = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0;
  };
  tcp_info before{};
  if (!info_of(before)) return std::nullopt;
  // The kernel gives each number by a call of its own, so under traffic two readings may differ.
  // The loop has an end, since a peer may send without pause.
  for (int i = 0; i < 1000; ++i) {
    int unread = 0;
    int unacked = 0;
    tcp_info after{};
    if (::ioctl(fd, SIOCINQ, &unread) < 0 || ::ioctl(fd, SIOCOUTQ, &unacked) < 0 ||
        !info_of(after)) {
      return std::nullopt;
    }
    if (before.tcpi_bytes_received == after.tcpi_bytes_received &&
        before.tcpi_bytes_acked == after.tcpi_bytes_acked) {
      return core::Counters{after.tcpi_bytes_received - static_cast<std::uint64_t>(unread),
                            after.tcpi_bytes_acked + static_cast<std::uint64_t>(unacked)};
    }
    before = after;
  }
  return std::nullopt;
}

void reset_connection(int fd) {
  // Where connect(2) is not allowed (seccomp(2)), the close(2) of the last fd resets. On a socket
  // that is no TCP connection SO_LINGER changes nothing.
  const linger now{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  // Dissolves the association (connect(2)); TCP tells the peer by a reset.
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(fd, &nowhere, sizeof nowhere) < 0) (void)::shutdown(fd, SHUT_RDWR);
}

void end_sending(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return;
  // A datagram socket could send to nobody any more, also where shutdown(2) fails.
  if (type == SOCK_STREAM || type == SOCK_SEQPACKET) (void)::shutdown(fd, SHUT_WR);
}

}  // namespace handoff::io
