// The service's end of one control socket. A supervisor that is gone or stopped must not be felt by
// the sessions, so what is told to it is queued, sent when there is room, and never waited for.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

class ControlChannel {
 public:
  explicit ControlChannel(UniqueFd fd) : channel_(std::move(fd), "service"), opened_at_(now_us()) {}

  int fd() const { return channel_.fd(); }
  bool closed() const { return closed_; }
  core::Duration age() const { return now_us() - opened_at_; }
  bool idle() const { return waiting_.empty(); }
  bool wants_write() const { return !closed_ && !waiting_.empty(); }

  void send(protocol::Type type, std::string body, std::vector<UniqueFd> fds = {}) {
    if (closed_) return;
    waiting_.push_back({type, std::move(body), std::move(fds)});
    flush();
  }
  void flush() {
    while (!closed_ && !waiting_.empty()) {
      std::vector<int> fds;
      for (const UniqueFd& fd : waiting_.front().fds) fds.push_back(fd.get());
      const auto sent = channel_.send(waiting_.front().type, waiting_.front().body, fds);
      if (!sent || *sent == Channel::Sent::kClosed) {
        closed_ = true;
      } else if (*sent != Channel::Sent::kYes) {
        return;
      } else {
        waiting_.pop_front();
      }
    }
  }
  Result<Channel::Received> recv(Channel::Message& message) {
    auto received = channel_.recv(message);
    if (received && *received == Channel::Received::kClosed) closed_ = true;
    return received;
  }

 private:
  struct Waiting {
    protocol::Type type;
    std::string body;
    std::vector<UniqueFd> fds;
  };
  Channel channel_;
  std::deque<Waiting> waiting_;
  core::Time opened_at_;
  bool closed_ = false;
};

}  // namespace handoff::io
