// The frames of a link that wait for room in its channel. Both halves of the link send over one
// channel, so each frame says whose it is: a half can forget its own.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/secret.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

class Outbox {
 public:
  enum class Of : std::uint8_t { kLink, kGiving, kTaking };
  struct Frame {
    protocol::Type type;
    std::string body;
    std::vector<int> fds = {};        // borrowed
    std::vector<UniqueFd> kept = {};  // those of them that are the frame's own
    Of of = Of::kLink;
    bool secret = false;  // the body is to be wiped once the frame has gone
  };
  // Hears what became of a frame, and may push more of them.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void sent(const Frame& frame) = 0;
    // The channel refuses a frame, which is gone.
    virtual void refused(const Error& error) = 0;
  };

  Outbox(Channel& channel, Listener& listener) : channel_(channel), listener_(listener) {}
  ~Outbox() { clear(); }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  bool empty() const { return waiting_.empty(); }
  void push(Frame frame) { waiting_.push_back(std::move(frame)); }
  void forget(Of of) {
    for (Frame& frame : waiting_) {
      if (frame.of == of && frame.secret) wipe(frame.body);
    }
    std::erase_if(waiting_, [of](const Frame& frame) { return frame.of == of; });
  }
  void clear() {
    for (Frame& frame : waiting_) {
      if (frame.secret) wipe(frame.body);
    }
    waiting_.clear();
  }
  // From here on nothing is sent.
  void close() {
    closed_ = true;
    clear();
  }

  void flush() {
    while (!waiting_.empty() && !closed_) {
      const Frame& first = waiting_.front();
      const auto sent = channel_.send(first.type, first.body, first.fds);
      if (sent && *sent == Channel::Sent::kClosed) {
        // The channel may still hold what the other end said; the link reads that, and then EOF.
        clear();
        return;
      }
      if (sent && *sent != Channel::Sent::kYes) return;
      Frame gone = std::move(waiting_.front());
      if (gone.secret) wipe(gone.body);
      waiting_.pop_front();  // before the listener has more of them sent
      if (sent) {
        listener_.sent(gone);
      } else {
        listener_.refused(sent.error());
      }
    }
  }

 private:
  Channel& channel_;
  Listener& listener_;
  std::deque<Frame> waiting_;
  bool closed_ = false;
};

}  // namespace handoff::io
