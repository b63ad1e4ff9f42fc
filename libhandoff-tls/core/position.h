// The position guard: a sequence number belongs to a position of the TCP stream.
//
// The kernel counts what a socket was given to send. A session counts what it has sealed. If the
// two differ, the session's state is not the newest: another process has sealed and sent since, by
// these keys, and the next record's nonce would be one that was used. So an heir compares before it
// seals for the first time, and resets the connection on a mismatch.
#pragma once

#include <cstdint>

namespace handoff::tls {

class Position {
 public:
  // written: what the kernel counts for the socket now, at whatever number it has begun. Nothing
  // that was sealed before this has been given to the kernel.
  void bind(std::uint64_t written) {
    end_ += written - base_;
    base_ = written;
    bound_ = true;
  }
  bool bound() const { return bound_; }
  // So many bytes for the peer have been made.
  void advance(std::uint64_t bytes) { end_ += bytes; }

  // unsent: bytes of the output that the kernel has not been given yet.
  bool agrees(std::uint64_t written, std::uint64_t unsent) const {
    return bound_ && written == end_ - unsent;
  }

  // The state: the number that the kernel will count once all output is sent. Numbers are modulo
  // 2^64, as the kernel's are.
  std::uint64_t end() const { return end_; }
  // A restored session. The base is not known any more, and not needed: a move to another host adds
  // the difference of the two kernels' counts.
  void restore(std::uint64_t end) {
    end_ = end;
    bound_ = true;
  }
  void rebase(std::uint64_t difference) { end_ += difference; }

 private:
  std::uint64_t base_ = 0;
  std::uint64_t end_ = 0;
  bool bound_ = false;
};

}  // namespace handoff::tls
