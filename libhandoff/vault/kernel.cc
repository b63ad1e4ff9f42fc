#include "libhandoff/vault/kernel.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace handoff::vault {
namespace {

template <class T>
bool option(int fd, int level, int name, T& out) {
  std::memset(&out, 0, sizeof out);
  socklen_t length = sizeof out;
  return ::getsockopt(fd, level, name, &out, &length) == 0;
}

}  // namespace

std::optional<std::uint64_t> cookie_of(int fd) {
  std::uint64_t cookie = 0;
  if (!option(fd, SOL_SOCKET, SO_COOKIE, cookie)) return std::nullopt;
  return cookie;
}

Transport transport_of(int fd) {
  int type = 0;
  int domain = 0;
  if (!option(fd, SOL_SOCKET, SO_TYPE, type) || type != SOCK_STREAM) return Transport::kNeither;
  if (!option(fd, SOL_SOCKET, SO_DOMAIN, domain)) return Transport::kNeither;
  if (domain == AF_UNIX) return Transport::kUnixStream;
  return domain == AF_INET || domain == AF_INET6 ? Transport::kTcpStream : Transport::kNeither;
}

std::optional<Position> position_at(int fd) {
  tcp_info before{};
  if (!option(fd, IPPROTO_TCP, TCP_INFO, before)) return std::nullopt;
  for (int i = 0; i < 1000; ++i) {
    int unread = 0;
    int unsent = 0;
    tcp_info after{};
    if (::ioctl(fd, SIOCINQ, &unread) < 0 || ::ioctl(fd, SIOCOUTQ, &unsent) < 0 ||
        !option(fd, IPPROTO_TCP, TCP_INFO, after)) {
      return std::nullopt;
    }
    if (before.tcpi_bytes_received == after.tcpi_bytes_received &&
        before.tcpi_bytes_acked == after.tcpi_bytes_acked &&
        before.tcpi_state == after.tcpi_state) {
      return position_of({.state = after.tcpi_state,
                          .received = after.tcpi_bytes_received,
                          .acked = after.tcpi_bytes_acked,
                          .unread = static_cast<std::uint64_t>(unread),
                          .unsent = static_cast<std::uint64_t>(unsent)});
    }
    before = after;
  }
  return std::nullopt;
}

std::optional<Position> position_at_start(int fd) {
  tcp_info info{};
  if (!option(fd, IPPROTO_TCP, TCP_INFO, info)) return std::nullopt;
  constexpr std::uint8_t kEstablished = 1;
  if (info.tcpi_bytes_received != 0 || info.tcpi_state != kEstablished) return position_at(fd);
  return position_of({.state = info.tcpi_state, .acked = info.tcpi_bytes_acked});
}

}  // namespace handoff::vault
