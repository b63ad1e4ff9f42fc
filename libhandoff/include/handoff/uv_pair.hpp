// uv_pair.hpp: sessions with two connections, for proxies. Header-only, on uv.hpp.
//
// A Pair is a Stream of a client that has a connection of its own besides: its upstream. By default
// it relays, each way, the bytes and the end of them. A proxy is this:
//
//   class Relay final : public handoff::uv::Pair {
//     void on_open(bool adopted) override {
//       if (!adopted && connect("tcp:127.0.0.1:8080") < 0) close();
//     }
//   };
//   host.listen("public", "tcp:127.0.0.1:7000", [] { return std::make_unique<Relay>(); },
//               [](std::string_view) { return std::make_unique<Relay>(); });
//
// Both connections are one session: at an upgrade both move, stay, or are refused, and so do a
// connect that is under way, input that was not consumed, and output of either that was not sent.
//
// A client that reads slowly keeps its upstream from being read, and the other way round: at most
// Host::kHighWater bytes and one read wait for either. Answers that a Pair makes itself have no
// such bound, since a client that sends must be read also while what its upstream says waits for
// it: one that makes many calls pause() while output_size() is large. When one of the two fails,
// the other is reset: an orderly end would say that all had come.
//
// The functions of Stream are those of the client's connection; what a class may override is in
// handoff/detail/relaying.hpp. Everything here belongs to the loop's thread.
#ifndef HANDOFF_UV_PAIR_HPP
#define HANDOFF_UV_PAIR_HPP

#include <handoff/detail/relaying.hpp>
#include <handoff/uv.hpp>

#include <unistd.h>

#include <cerrno>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

namespace handoff::uv {

class Pair : public detail::Relaying<Pair, Stream> {
 public:
  // Begins to connect the upstream; address is that of handoff_connect(). From on_open() on; again
  // in on_upstream_refused(), for another address: what was written waits for that one. 0, or
  // -EINVAL for an address that can't be; what else there is to say on_upstream_refused() says from
  // the loop.
  [[nodiscard]] int connect(const std::string& address) {
    const int fd = handoff_connect(address.c_str());
    if (fd >= 0) return attach(fd, true);
    if (fd != -EINVAL) host().refuse_later(*this, -fd);
    return fd == -EINVAL ? fd : 0;
  }
  // A connected, non-blocking stream socket that the service has is the upstream. Takes fd, also
  // when it fails.
  [[nodiscard]] int adopt_upstream(int fd) { return attach(fd, false); }

  // Borrowed; -1 while there is none.
  int upstream_fd() const { return second_ ? second_->fd_ : -1; }
  bool upstream_connected() const { return upstream_fd() >= 0 && !second_->connecting_; }
  // As write(), end_output(), pause(), resume() and output_size(), of the upstream. What is written
  // before it is connected waits. pause_upstream() is allowed in a constructor, as pause() is.
  void write_upstream(std::string_view bytes) { second().write(bytes); }
  void end_upstream() { second().end_output(); }
  void pause_upstream() { second().pause(); }
  void resume_upstream() { second().resume(); }
  std::size_t upstream_output_size() const { return second_ ? second_->output_size() : 0; }

 private:
  friend class detail::Relaying<Pair, Stream>;
  class Upstream final : public Stream {
   public:
    explicit Upstream(Pair& pair) : pair_(pair) {}
    std::size_t on_input(std::string_view input) override { return pair_.on_upstream(input); }
    std::string save() const override { return {}; }
    void on_overflow() override { pair_.on_overflow(); }
    void on_end() override { pair_.on_upstream_end(); }
    void on_connected() override { pair_.on_upstream_connected(); }
    void on_refused(int error) override { pair_.on_upstream_refused(error); }

   private:
    Pair& pair_;
  };

  bool names_upstream() const { return second_ && second_->end_state().is_named(); }
  std::unique_ptr<Stream> make_second() final { return std::make_unique<Upstream>(*this); }
  // No Host yet in a constructor.
  Stream& second() {
    return host_ != nullptr ? host_->second_of(*this) : Engine::make_second(*this);
  }
  int attach(int fd, bool connecting) {
    try {
      host().attach(*this, fd, connecting);
      return 0;
    } catch (const Exception& e) {
      if (upstream_fd() != fd) ::close(fd);
      return e.code();
    } catch (const std::exception&) {  // no memory
      if (upstream_fd() != fd) ::close(fd);
      return -ENOMEM;
    }
  }
};

}  // namespace handoff::uv

#endif  // HANDOFF_UV_PAIR_HPP
