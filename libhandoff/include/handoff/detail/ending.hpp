// How a connection ends: by a failure, once its last bytes are sent, or once both of its halves are
// over; alone, or as one of a pair. The Host of uv.hpp and the kit of poll.h own connections of
// their own types, and this is what both do with them.
#ifndef HANDOFF_DETAIL_ENDING_HPP
#define HANDOFF_DETAIL_ENDING_HPP

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace handoff::detail {

// What a connection tells of itself, for its end to be decided.
template <class Conn>
struct EndState {
  int fd = -1;              // -1: over, or an upstream that has no socket
  Conn* mate = nullptr;     // the other connection of the session
  bool is_second = false;   // the upstream
  bool connecting = false;  // neither connected nor refused yet
  bool closing = false;     // ends when the output is sent
  bool ended = false;       // the peer has ended its half
  bool told_end = false;    // and the author knows
  bool shut = false;        // the sending half has ended
  bool inherited = false;   // another process may still have the socket open
  bool dead = false;        // over
  std::size_t output = 0;   // bytes that wait to be sent

  // An upstream that has no socket, and is to have none.
  bool is_none() const { return is_second && fd < 0 && !connecting; }
  // There is an upstream, or anything for one.
  bool is_named() const { return !is_none() || output > 0; }
  // Both halves have ended, and so has all that there was to read and to send.
  bool is_complete() const { return (is_none() || (ended && told_end && shut)) && output == 0; }
  // All is sent that can be. Nobody may ever answer a connect, and the kernel asks for minutes: an
  // upstream is not waited for, nor is anybody by a service that stops.
  bool is_sent(bool stops) const {
    return output == 0 || fd < 0 || (connecting && (is_second || stops));
  }
};

// How the socket of a session that has ended ends itself.
enum class SocketEnd : std::uint8_t { kClose, kShut, kLinger };

// One whose end waits until the vault has that of its session.
struct Doomed {
  int fd;
  SocketEnd how;
};

// Conn has end_state(), first() and set_shut(), which says that the sending half has ended; what
// Kit has is called by kit() below.
template <class Kit, class Conn>
class Ending {
 protected:
  // The connection failed, or nobody waits for it any more. The other one of a pair is reset: its
  // end would look as if all had come.
  void end(Conn& c) {
    const auto one = c.end_state();
    if (one.dead) return;
    const int other = fd_of(one.mate);
    // First: leave() may end the sending halves of both, which would be that orderly end.
    if (other >= 0) reset(other);
    kit().leave(c.first());
    kit().dispose(one.fd, one.inherited ? SocketEnd::kShut : SocketEnd::kClose);
    if (other >= 0) ::close(other);
  }

  // Both halves have ended, of both connections of a pair.
  void end_complete(Conn& c) {
    const auto one = c.end_state();
    if (one.mate != nullptr && !one.mate->end_state().is_complete()) return kit().unwatch(c);
    const int other = fd_of(one.mate);
    kit().leave(c.first());
    kit().dispose(one.fd, SocketEnd::kClose);
    if (other >= 0) ::close(other);
  }

  // All output is sent, and the client may not have read it yet. One that has ended its own half
  // sends nothing that could make close(2) a reset.
  void finish(Conn& c) {
    const auto one = c.end_state();
    if (one.dead) return;
    if (one.mate != nullptr) return finish_pair(c);
    if (one.ended) return end(c);
    kit().leave(c);
    kit().dispose(one.fd, SocketEnd::kLinger);
  }

  // What is queued waits for the connect, but not in a service that stops.
  void close_connecting(Conn& c) {
    const auto one = c.end_state();
    if (!one.closing || (one.output > 0 && !kit().stops())) return;
    one.mate == nullptr ? end(c) : finish_pair(c);
  }

  // Both directions of the socket are over (EPOLLHUP, which can't be masked), of one whose end was
  // read or that is closing: recv(2) would tell of the end again, and not of the error. One that
  // lives on, for its mate's sake or for input that waits, leaves the set: the event would come in
  // each turn. False: there is more to be done about it.
  bool hung_up(Conn& c) {
    const auto one = c.end_state();
    if (one.closing) {
      // A pair waits for what its other connection has to send. One alone is over by its own
      // send(2).
      if (one.mate == nullptr || one.output > 0) return false;
      kit().unwatch(c);
      return true;
    }
    int error = 0;
    socklen_t size = sizeof error;
    (void)::getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    // What waits will never be taken. That is a failure, and the other one of a pair is to see it.
    if (error != 0 || one.output > 0) {
      end(c);
      return true;
    }
    c.set_shut();
    kit().unwatch(c);
    kit().touch(c);
    kit().enqueue(c);
    if (one.mate != nullptr) kit().enqueue(*one.mate);
    return true;
  }

  // Another process may have the socket open: SO_LINGER is all that close(2) needs where none has.
  // connect(2) to nobody dissolves the association of all.
  static void reset(int fd) {
    const linger now{1, 0};
    (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
    if (::connect(fd, &nobody, sizeof nobody) < 0) (void)::shutdown(fd, SHUT_RDWR);
  }

 private:
  Kit& kit() { return static_cast<Kit&>(*this); }
  static int fd_of(const Conn* c) { return c != nullptr ? c->end_state().fd : -1; }

  // A pair that was closed, once both have sent all that they can.
  void finish_pair(Conn& c) {
    const auto one = c.end_state();
    const auto other = one.mate->end_state();
    if (!one.is_sent(kit().stops()) || !other.is_sent(kit().stops())) return;
    kit().leave(c.first());
    for (const auto& each : {one, other}) {
      if (each.fd < 0) continue;
      if (each.ended || each.connecting) {
        ::shutdown(each.fd, SHUT_RDWR);
        ::close(each.fd);
      } else {
        kit().let_linger(each.fd);
      }
    }
  }
};

}  // namespace handoff::detail

#endif  // HANDOFF_DETAIL_ENDING_HPP
