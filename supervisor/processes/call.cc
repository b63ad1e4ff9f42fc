#include "supervisor/processes/call.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "supervisor/processes/mailbox.h"

namespace handoff::supervisor {
namespace {

enum class Word { kNone, kItsOwn, kOfAnother, kEnd };

// Tells who has said the first word. Only looks: the channel that the connection becomes reads it.
Word first_word(int fd, pid_t pid) {
  char byte = 0;
  iovec part{&byte, 1};
  // Room for the credentials alone, so that no fd comes with them.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Word::kNone;
  if (n <= 0) return Word::kEnd;
  const cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
  if (cmsg == nullptr || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_CREDENTIALS) {
    return Word::kOfAnother;
  }
  ucred sender{};
  std::memcpy(&sender, CMSG_DATA(cmsg), sizeof sender);
  return sender.pid == pid ? Word::kItsOwn : Word::kOfAnother;
}

}  // namespace

Call::Call(uv_loop_t* loop, std::string address, pid_t pid, Duration in,
           std::function<void(UniqueFd)> answered)
    : loop_(loop),
      address_(std::move(address)),
      pid_(pid),
      answered_(std::move(answered)),
      next_(loop, [this] { post(); }) {
  next_.at(now() + in);
}

void Call::post() {
  auto ours = post_control_socket(address_);
  if (!ours) {
    const int code = ours.error().code;
    spdlog::debug("pid {} can't be called: {}", pid_, ours.error().message);
    // Its library has no mailbox, or the process is about to be seen to have ended.
    if (code != -ECONNREFUSED && code != -ENOENT && code != -EINVAL) again();
    return;
  }
  ours_ = std::move(*ours);
  poll_ = std::make_unique<Poll>(loop_, ours_.get(), [this](int) { hear(); });
  poll_->watch(UV_READABLE);
}

void Call::hear() {
  switch (first_word(ours_.get(), pid_)) {
    case Word::kNone:
      return;
    case Word::kOfAnother:
      spdlog::warn("another process answered in place of pid {}, and is not heard", pid_);
      return again();
    case Word::kEnd:
      return again();
    case Word::kItsOwn:
      break;
  }
  const int off = 0;
  if (::setsockopt(ours_.get(), SOL_SOCKET, SO_PASSCRED, &off, sizeof off) < 0) return again();
  poll_.reset();
  const auto answered = std::move(answered_);  // may destroy this object
  answered(std::move(ours_));
}

void Call::again() {
  poll_.reset();
  ours_.reset();
  next_.at(now() + kAgain);
}

}  // namespace handoff::supervisor
