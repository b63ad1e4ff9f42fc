// One connection: the part of asio.hpp, which includes this, that authors derive from.
#ifndef HANDOFF_DETAIL_ASIO_STREAM_HPP
#define HANDOFF_DETAIL_ASIO_STREAM_HPP

#include <handoff/poll.h>
#include <handoff/detail/on_open.hpp>
#include <handoff/handoff.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace handoff::asio {

class Host;
class Pair;

// One connection. Created by a factory given to Host::listen(), or for Host::connect() and
// Host::adopt(), and owned by the Host. Each member does what that of handoff::uv::Stream does.
class Stream {
 public:
  Stream() = default;
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  SessionId id() const { return handoff_conn_id(conn_); }
  Host& host() const { return *host_; }
  int fd() const { return handoff_conn_fd(conn_); }
  bool closing() const { return handoff_conn_closing(conn_) != 0; }
  std::size_t output_size() const { return handoff_conn_output_size(conn_); }

  void write(std::string_view bytes) {
    (void)handoff_conn_write(conn_, bytes.data(), bytes.size());
  }
  void close() { handoff_conn_close(conn_); }
  void end_output() { handoff_conn_end_output(conn_); }
  void changed() { handoff_conn_touch(conn_); }
  // In a constructor, too: a pause does not move.
  void pause() {
    paused_ = true;
    if (conn_ != nullptr) handoff_conn_pause(conn_);
  }
  void resume() {
    paused_ = false;
    if (conn_ != nullptr) handoff_conn_resume(conn_);
  }
  void hold() {
    const int result = handoff_conn_hold(conn_);
    if (result < 0) throw Exception(result, "handoff_conn_hold");
  }
  void release() { (void)handoff_conn_release(conn_); }
  void stays(const char* why) {
    const int result = handoff_conn_stays(conn_, why);
    if (result < 0) throw Exception(result, "handoff_conn_stays");
  }

 protected:
  virtual std::size_t on_input(std::string_view input) = 0;
  virtual std::string save() const = 0;
  virtual void on_overflow() {
    detail::complain("session " + std::to_string(id()) +
                     " is closed: more bytes of input wait to be consumed than max_input");
  }
  virtual void on_open(bool /*adopted*/) {}
  virtual void on_end() { close(); }
  virtual void on_connected() {}
  virtual void on_refused(int /*error*/) {}
  // See closing() of handoff_conn_ops. A layer on uv.hpp overrides close() for it.
  virtual void on_closing() {}
  virtual void on_closed() {}
  virtual void on_moved() {}
  std::size_t seen() const { return handoff_conn_seen(conn_); }

 private:
  friend class Host;
  friend class Pair;
  friend struct handoff::detail::OnOpen;
  Host* host_ = nullptr;
  handoff_conn_t* conn_ = nullptr;
  bool paused_ = false;
  bool is_pair_ = false;
  bool upstream_paused_ = false;
};

}  // namespace handoff::asio

#endif  // HANDOFF_DETAIL_ASIO_STREAM_HPP
