// asio_pair.hpp: sessions with two connections, for proxies. Header-only, on asio.hpp.
//
// A Pair does what that of uv_pair.hpp does, by members of the same names, and services on either
// hand over to each other. Both connections are poll.h's (handoff/detail/poll_conn.h). A proxy is
// this:
//
//   class Relay final : public handoff::asio::Pair {
//     void on_open(bool adopted) override {
//       if (!adopted && connect("tcp:127.0.0.1:8080") < 0) close();
//     }
//   };
//   host.listen("public", "tcp:127.0.0.1:7000", [] { return std::make_unique<Relay>(); },
//               [](std::string_view) { return std::make_unique<Relay>(); });
//
// A listener, or a kind of Host::outgoing(), is of Pairs where its restore returns a pointer to a
// Pair or to a class derived from one. A Stream that is none is refused there, and a Pair anywhere
// else: a new connection is closed, a session is not taken, Host::connect() and adopt() throw.
//
// What is thrown in on_upstream() ends the session, as in on_input(); in the other functions of the
// upstream it is a line on stderr. Everything here belongs to the thread that runs the io_context.
#ifndef HANDOFF_ASIO_PAIR_HPP
#define HANDOFF_ASIO_PAIR_HPP

#include <handoff/asio.hpp>
#include <handoff/detail/relaying.hpp>

#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace handoff::asio {

class Pair : public handoff::detail::Relaying<Pair, Stream> {
 public:
  Pair() { is_pair_ = true; }

  // 0, or an error of handoff_conn_connect_upstream().
  [[nodiscard]] int connect(const std::string& address) {
    const int result = handoff_conn_connect_upstream(conn_, address.c_str());
    if (result == 0) named_ = true;
    return result;
  }
  // Takes fd, also when it fails.
  [[nodiscard]] int adopt_upstream(int fd) {
    const int result = handoff_conn_adopt_upstream(conn_, fd);
    if (result < 0) ::close(fd);
    return result;
  }

  int upstream_fd() const { return handoff_conn_fd(upstream()); }
  bool upstream_connected() const { return handoff_conn_connected(upstream()) != 0; }
  void write_upstream(std::string_view bytes) {
    (void)handoff_conn_write(upstream(), bytes.data(), bytes.size());
  }
  void end_upstream() { handoff_conn_end_output(upstream()); }
  // In a constructor, too.
  void pause_upstream() {
    upstream_paused_ = true;
    handoff_conn_pause(upstream());
  }
  void resume_upstream() {
    upstream_paused_ = false;
    handoff_conn_resume(upstream());
  }
  std::size_t upstream_output_size() const { return handoff_conn_output_size(upstream()); }

 private:
  friend class Host;
  friend class handoff::detail::Relaying<Pair, Stream>;

  // NULL in a constructor.
  handoff_conn_t* upstream() const { return handoff_conn_upstream(conn_); }
  // There is one, or there is to be: a connect is under way, or bytes wait for it.
  bool names_upstream() const { return named_ || upstream_fd() >= 0 || upstream_output_size() > 0; }
  static Pair& of(const handoff_conn_t* c) { return static_cast<Pair&>(Host::stream(c)); }

  // What the kit calls for the second connections of a kind.
  static const handoff_conn_ops* upstream_ops() {
    static const handoff_conn_ops ops = [] {
      handoff_conn_ops out{};
      out.size = sizeof out;
      out.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
        return Host::hand_in(c, "on_upstream()", [&] { return of(c).on_upstream({data, length}); });
      };
      out.overflow = Host::callbacks().overflow;
      out.ended = [](handoff_conn_t* c) {
        Host::tell("on_upstream_end()", [c] { of(c).on_upstream_end(); });
      };
      out.connected = [](handoff_conn_t* c) {
        Host::tell("on_upstream_connected()", [c] { of(c).on_upstream_connected(); });
      };
      out.refused = [](handoff_conn_t* c, int error) {
        of(c).named_ = false;
        Host::tell("on_upstream_refused()", [c, error] { of(c).on_upstream_refused(error); });
      };
      return out;
    }();
    return &ops;
  }

  bool named_ = false;  // by connect(), and not refused
};

}  // namespace handoff::asio

#endif  // HANDOFF_ASIO_PAIR_HPP
