// How far a socket has come: bytes that processes have read from it and written to it, as the
// kernel counts, without those that FIN takes.
#pragma once

#include <cstdint>

namespace handoff::vault {

// What the kernel says of a TCP socket at one moment (TCP_INFO, SIOCINQ, SIOCOUTQ).
struct TcpReading {
  std::uint8_t state = 0;  // TCP_ESTABLISHED is 1: include/net/tcp_states.h
  std::uint64_t received = 0;
  std::uint64_t acked = 0;
  std::uint64_t unread = 0;
  std::uint64_t unsent = 0;
};

struct Position {
  std::uint64_t consumed = 0;
  std::uint64_t written = 0;
  bool connecting = false;  // nothing can have passed
  // The connection is over in both directions: written says nothing any more, and consumed may be
  // one too low.
  bool over = false;
};

constexpr Position position_of(const TcpReading& r) {
  enum : std::uint8_t {
    kSynSent = 2,
    kSynRecv = 3,
    kFinWait1 = 4,
    kFinWait2 = 5,
    kTimeWait = 6,
    kClose = 7,
    kCloseWait = 8,
    kLastAck = 9,
    kClosing = 11
  };
  Position out;
  out.connecting = r.state == kSynSent || r.state == kSynRecv;
  out.over = r.state == kClose || r.state == kTimeWait;
  // A FIN is counted like a byte, from the moment at which it has come (gone).
  const bool fin_came =
      r.state == kCloseWait || r.state == kLastAck || r.state == kClosing || out.over;
  const bool fin_went =
      r.state == kFinWait1 || r.state == kFinWait2 || r.state == kClosing || r.state == kLastAck;
  out.consumed = r.received - r.unread - (fin_came ? 1 : 0);
  out.written = r.acked + r.unsent - (fin_went ? 1 : 0);
  return out;
}

}  // namespace handoff::vault
