// The service's end of the control socket: what it tells the supervisor is queued and sent when
// there is room, never waited for. A supervisor that is gone or stopped must not be felt by the
// sessions.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

class Control {
 public:
  explicit Control(UniqueFd fd) { connect(std::move(fd)); }

  // Another socket in place of the one that was closed; what was not sent is forgotten.
  void connect(UniqueFd fd) {
    channel_ = Channel(std::move(fd), "service");
    waiting_.clear();
    closed_ = false;
    since_ = now_us();
  }

  int fd() const { return channel_.fd(); }
  bool closed() const { return closed_; }
  core::Duration age() const { return now_us() - since_; }
  bool wants_write() const { return !closed_ && !waiting_.empty(); }

  // optional: may be left out if others wait already (progress, say).
  void send(protocol::Type type, std::string body, bool optional = false) {
    if (optional && !waiting_.empty()) return;
    send_fds(type, std::move(body), {});
  }
  void send_fds(protocol::Type type, std::string body, std::vector<UniqueFd> fds) {
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
  Channel channel_{UniqueFd()};
  std::deque<Waiting> waiting_;
  core::Time since_ = 0;
  bool closed_ = false;
};

}  // namespace handoff::io
