#include "supervisor/processes/service_channel.h"

#include <fcntl.h>

#include <utility>

namespace handoff::supervisor {
namespace {
constexpr Duration kRetryIn = std::chrono::milliseconds(20);
}

ServiceChannel::ServiceChannel(uv_loop_t* loop, UniqueFd fd, Generation generation,
                               Callbacks callbacks)
    : channel_(std::move(fd), "supervisor"),
      generation_(generation),
      callbacks_(std::move(callbacks)),
      poll_(std::make_unique<Poll>(loop, channel_.fd(), [this](int events) { ready(events); })),
      retry_(loop, [this] { flush(); }),
      rest_(loop, [this] {
        resting_ = false;
        watch(UV_READABLE | (queue_.empty() ? 0 : UV_WRITABLE));
      }) {
  poll_->watch(UV_READABLE);
}

void ServiceChannel::watch(int events) { poll_->watch(resting_ ? events & ~UV_READABLE : events); }

bool ServiceChannel::send(protocol::Type type, std::string body, std::span<const int> fds) {
  if (!open_ || gone_ || queue_.size() >= kMaxQueued) return false;
  Queued frame{type, std::move(body), {}};
  for (const int fd : fds) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return false;
    frame.fds.push_back(std::move(copy));
  }
  queue_.push_back(std::move(frame));
  if (queue_.size() == 1) flush();
  return open_ && !gone_;
}

void ServiceChannel::flush() {
  while (open_ && !queue_.empty()) {
    const Queued& frame = queue_.front();
    std::vector<int> fds;
    fds.reserve(frame.fds.size());
    for (const UniqueFd& fd : frame.fds) fds.push_back(fd.get());
    const auto sent = channel_.send(frame.type, frame.body, fds);
    if (!sent) {
      close(sent.error().message);
      return;
    }
    switch (*sent) {
      case io::Channel::Sent::kYes:
        queue_.pop_front();
        continue;
      case io::Channel::Sent::kWouldBlock:
        watch(UV_READABLE | UV_WRITABLE);
        return;
      case io::Channel::Sent::kFdsInFlight:
        watch(UV_READABLE);
        retry_.at(now() + kRetryIn);
        return;
      case io::Channel::Sent::kClosed:
        gone_ = true;  // what it had said is still to be read
        queue_.clear();
        watch(UV_READABLE);
        return;
    }
  }
  if (open_) watch(UV_READABLE);
}

void ServiceChannel::ready(int events) {
  if ((events & UV_WRITABLE) != 0) flush();
  if ((events & UV_READABLE) == 0 || resting_ || !take(kMessagesATurn) || !open_) return;
  resting_ = true;
  watch(queue_.empty() ? 0 : UV_WRITABLE);
  rest_.at(now() + kRest);
}

// How a process came to be the owner, and that it registers, is said once on a connection. What is
// said again is read, since it must be true to the protocol, and then passed over. Further fds are
// no second word.
bool ServiceChannel::once(protocol::Type type, const Heard& heard) {
  if (type != protocol::Type::kRegister && type != protocol::Type::kOwner) return true;
  if (const auto* fds = std::get_if<FdsNamed>(&heard.aside); fds != nullptr && fds->more)
    return true;
  return said_.insert(type).second;
}

// True if there may be more.
bool ServiceChannel::take(std::size_t messages) {
  // A callback may lead back here; the frames must stay in order.
  if (std::exchange(draining_, true)) return false;
  io::Channel::Message message;
  while (open_ && messages-- > 0) {
    const auto received = channel_.recv(message);
    if (!received) {
      close(received.error().message);
      break;
    }
    if (*received == io::Channel::Received::kWouldBlock) {
      draining_ = false;
      return false;
    }
    if (*received == io::Channel::Received::kClosed) {
      close("");
      break;
    }
    auto heard = decode(message.header.type, message.body, generation_, std::move(message.fds));
    if (!heard) {
      close(heard.error().message);
      break;
    }
    if (once(message.header.type, *heard)) callbacks_.heard(std::move(*heard));
  }
  draining_ = false;
  return true;
}

void ServiceChannel::close(const std::string& why) {
  if (!std::exchange(open_, false)) return;
  poll_->watch(0);
  retry_.at(std::nullopt);
  rest_.at(std::nullopt);
  queue_.clear();
  callbacks_.closed(why);
}

}  // namespace handoff::supervisor
