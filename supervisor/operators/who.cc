#include "supervisor/operators/who.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/sys/process.h"

namespace handoff::supervisor {
namespace {

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

// Linux 6.5 knows the process even if its number is another's by now.
UniqueFd pidfd_of(int socket, pid_t pid) {
  int fd = -1;
  socklen_t length = sizeof fd;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0) return UniqueFd(fd);
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

std::optional<std::uint32_t> login_of(int socket, pid_t pid) {
  const UniqueFd process = pidfd_of(socket, pid);
  const std::string path = "/proc/" + std::to_string(pid) + "/loginuid";
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!process.valid() || !file.valid()) return std::nullopt;
  std::array<char, 32> text{};
  const ssize_t n = ::read(file.get(), text.data(), text.size());
  // Till now the number was the process's own.
  if (n <= 0 || io::has_exited(process.get())) return std::nullopt;
  std::uint32_t uid = 0;
  if (std::from_chars(text.data(), text.data() + n, uid).ec != std::errc{}) return std::nullopt;
  if (uid == UINT32_MAX) return std::nullopt;
  return uid;
}

}  // namespace

Who peer_of(int socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return {};
  return {.uid = static_cast<int>(peer.uid), .login = login_of(socket, peer.pid)};
}

void put_who(nlohmann::json& record, const Who& who) {
  record["uid"] = nullptr;
  record["login_uid"] = nullptr;
  if (who.uid >= 0) record["uid"] = who.uid;
  if (who.login) record["login_uid"] = *who.login;
}

}  // namespace handoff::supervisor
