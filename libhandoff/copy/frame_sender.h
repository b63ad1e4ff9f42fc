// The donor's frames over one channel, which the heir acknowledges.
//
// At most kWindow frames are unacknowledged. That bounds the fds in flight, and says which slots of
// the ring are free.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

// What came of sending the next frame.
enum class Pumped : std::uint8_t {
  kSent,     // one frame; there may be more
  kLooked,   // at as many sessions as a frame takes, none of which is to be sent; there may be more
  kBlocked,  // the socket is full: wait until it can be written
  kWindow,   // wait for an Ack
  kTurn,     // this turn's frames are used up
  kHeld,     // all but Prepare is sent, and that waits for the other lines
  kDone,     // nothing is left to be sent
  kClosed,   // the heir is gone
};

class FrameSender {
 public:
  // Borrows channel.
  explicit FrameSender(Channel& channel) : channel_(channel) {}
  FrameSender(const FrameSender&) = delete;
  FrameSender& operator=(const FrameSender&) = delete;

  // An Ack: frames is a total. False if it makes no sense.
  bool acknowledge(std::uint64_t frames);
  bool full() const;
  std::uint64_t sent() const { return channel_.frames_sent(); }
  std::uint64_t acknowledged() const { return acknowledged_; }
  Result<Pumped> send(protocol::Type type, std::string_view body, std::span<const int> fds = {});
  // Over all frames sent.
  std::uint64_t hash() const { return channel_.sent_hash(); }

 private:
  Channel& channel_;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace handoff::io
