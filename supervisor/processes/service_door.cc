#include "supervisor/processes/service_door.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace handoff::supervisor {

ServiceDoor::ServiceDoor(uv_loop_t* loop, UniqueFd listener,
                         std::function<void(pid_t, UniqueFd&)> came)
    : listener_(std::move(listener)),
      came_(std::move(came)),
      poll_(loop, listener_.get(), [this](int) { accept(); }),
      again_(loop, [this] { poll_.watch(UV_READABLE); }) {
  poll_.watch(UV_READABLE);
}

// One a turn: the poll is level-triggered, and whoever knocks all the time must not be alone with
// us.
void ServiceDoor::accept() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) {
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    spdlog::error("a service that returns can't be let in yet: {}", std::strerror(errno));
    poll_.watch(0);
    again_.at(now() + std::chrono::seconds(1));
    return;
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return;
  if (peer.uid == 0 || peer.uid == ::geteuid()) came_(peer.pid, fd);
  if (fd.valid()) spdlog::debug("a process that is no service here (pid {}) is refused", peer.pid);
}

}  // namespace handoff::supervisor
