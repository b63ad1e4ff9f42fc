#include "support/peers/fake_processes.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/process/process.h"

namespace handoff::test {

void make_orphans(std::uint64_t count) {
  if (count == 0) return;
  const pid_t parent = ::fork();
  if (parent == 0) {
    const UniqueFd end = hold(::getpid());
    for (std::uint64_t i = 0; i < count; ++i) {
      if (::fork() == 0) {
        (void)wait_end(end);
        std::_Exit(0);
      }
    }
    std::_Exit(0);
  }
  (void)::waitpid(parent, nullptr, 0);
  std::printf("%d orphans\n", static_cast<int>(count));
  std::fflush(stdout);
}

void listen_at(std::uint64_t port) {
  if (port == 0) return;
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(fd, SOMAXCONN) < 0) {
    std::perror("bind");
    std::_Exit(98);
  }
}

void start_workers(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    if (::fork() != 0) continue;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      std::memset(*variable, 0, std::strlen(*variable));
    }
    for (;;) ::pause();
  }
}

}  // namespace handoff::test
