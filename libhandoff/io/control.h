// The service's end of the control socket: what it tells the supervisor is queued and sent when
// there is room, never waited for. A supervisor that is gone or stopped must not be felt by the
// sessions.
#pragma once

#include <deque>
#include <string>

#include "io/channel.h"

namespace handoff::io {

class Control {
 public:
  explicit Control(UniqueFd fd) : channel_(std::move(fd), "service") {}

  int fd() const { return channel_.fd(); }
  bool closed() const { return closed_; }
  bool wants_write() const { return !closed_ && !waiting_.empty(); }

  // optional: may be left out if others wait already (progress, say).
  void send(protocol::Type type, std::string body, bool optional = false) {
    if (closed_ || (optional && !waiting_.empty())) return;
    waiting_.push_back({type, std::move(body)});
    flush();
  }
  void flush() {
    while (!closed_ && !waiting_.empty()) {
      const auto sent = channel_.send(waiting_.front().type, waiting_.front().body);
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
  };
  Channel channel_;
  std::deque<Waiting> waiting_;
  bool closed_ = false;
};

}  // namespace handoff::io
