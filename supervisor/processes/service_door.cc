// A stranger's first frame is only looked at (MSG_PEEK): the channel that the connection becomes
// reads it again, as of any process that returns.
#include "supervisor/processes/service_door.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "libhandoff/protocol/limits.h"

namespace handoff::supervisor {

ServiceDoor::ServiceDoor(uv_loop_t* loop, UniqueFd listener, Callbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)), again_(loop, [this] {
        if (poll_) poll_->watch(UV_READABLE);
      }) {
  listen(std::move(listener));
}

void ServiceDoor::listen(UniqueFd listener) {
  poll_.reset();
  listener_ = std::move(listener);
  if (!listener_.valid()) return;
  poll_ = std::make_unique<Poll>(loop_, listener_.get(), [this](int) { accept(); });
  poll_->watch(UV_READABLE);
}

// One a turn: the poll is level-triggered, and whoever knocks all the time must not be alone with
// us.
void ServiceDoor::accept() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) {
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    spdlog::error("a service that returns can't be let in yet: {}", std::strerror(errno));
    poll_->watch(0);
    again_.at(now() + std::chrono::seconds(1));
    return;
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return;
  if (peer.uid != 0 && peer.uid != ::geteuid()) return;
  callbacks_.came(peer.pid, fd);
  if (fd.valid() && peer.pid > 0) wait_for(peer.pid, std::move(fd));
}

void ServiceDoor::wait_for(pid_t pid, UniqueFd fd) {
  if (strangers_.size() >= kMaxStrangers) strangers_.pop_front();
  const auto stranger =
      strangers_.insert(strangers_.end(), Stranger{.fd = std::move(fd), .pid = pid});
  stranger->poll =
      std::make_unique<Poll>(loop_, stranger->fd.get(), [this, stranger](int) { hear(stranger); });
  stranger->patience = std::make_unique<Timer>(loop_, [this, stranger] {
    spdlog::debug("a process that does not say who it is (pid {}) is refused", stranger->pid);
    strangers_.erase(stranger);
  });
  stranger->poll->watch(UV_READABLE);
  stranger->patience->at(now() + kPatience);
}

void ServiceDoor::hear(Strangers::iterator stranger) {
  std::string frame(protocol::kMaxFrame, '\0');
  const ssize_t n = ::recv(stranger->fd.get(), frame.data(), frame.size(), MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const pid_t pid = stranger->pid;
  stranger->poll.reset();  // before its fd goes
  UniqueFd fd = std::move(stranger->fd);
  strangers_.erase(stranger);
  if (n == 0) callbacks_.knocked(pid);
  if (n <= 0) return;
  frame.resize(static_cast<std::size_t>(n));
  if (const auto who = introduction_in(frame); who) {
    callbacks_.introduced(pid, *who, fd);
  } else {
    spdlog::debug("a process that is no service here (pid {}) is refused: {}", pid,
                  who.error().message);
  }
}

}  // namespace handoff::supervisor
