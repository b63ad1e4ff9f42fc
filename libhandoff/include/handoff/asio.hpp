// asio.hpp: libhandoff for services on Asio, standalone or Boost's. Header-only, on poll.h: link
// libhandoff and whatever Asio asks for.
//
// Host joins a Service to an io_context and owns the connections; a Stream is one connection. They
// are what uv.hpp has for libuv, and services on either hand over to each other.
//
//   struct Echo : handoff::asio::Stream {
//     std::size_t on_input(std::string_view in) override { write(in); return in.size(); }
//     std::string save() const override { return {}; }
//   };
//   auto service = handoff::Service::open({.name = "echo", .version = "1"});
//   net::io_context io;                               // asio:: or boost::asio::
//   handoff::asio::Host host(io, *service);
//   host.listen("public", "tcp:127.0.0.1:7000", [] { return std::make_unique<Echo>(); },
//               [](std::string_view state) { return std::make_unique<Echo>(); });
//   host.start();                                     // restores; returns as the owner
//   io.run();                                         // ends when retired or stopped
//
// The Host waits for one fd, and reads and writes by itself. Timers, resolvers and sockets of the
// service's own are Asio's as ever. While a donor is frozen its io_context does not turn, so no
// handler of the service runs.
//
// Sessions with two connections are in handoff/asio_pair.hpp. What is thrown in on_input() or in
// on_open() of a new connection ends that connection; elsewhere it is a line on stderr.
//
// Everything here belongs to the thread that runs the io_context: one thread alone. A service with
// several (Options::lanes) has an io_context and a Host for each, on Service::lane(i). One thread
// makes all Hosts, calls their listen(), and then Host::ready(service), and never Service::start();
// each thread then calls its Host::start() and runs its io_context.
//
// Where both are installed standalone Asio is used; define HANDOFF_BOOST_ASIO for Boost's.
#ifndef HANDOFF_ASIO_HPP
#define HANDOFF_ASIO_HPP

#include <handoff/detail/asio_net.hpp>
#include <handoff/detail/asio_stream.hpp>
#include <handoff/handoff.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace handoff::asio {

// Joins a Service, an io_context and the connections. The Service and the io_context must outlive
// the Host.
class Host {
 public:
  struct Options {
    std::size_t max_input = 0;  // of handoff_poll_options, as high_water
    std::size_t high_water = 0;
  };

  // Takes the Service's callbacks: give it none but on_linked(), on_freeze() and on_thaw(). Throws
  // handoff::Exception.
  Host(net::io_context& io, Service& service) : Host(io, service, Options()) {}
  Host(net::io_context& io, Service& service, const Options& options);
  ~Host() {
    watch_.release();  // the kit's
    handoff_poll_close(kit_);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Before start(); see handoff::uv::Host::listen(). kind is that of handoff_conn_ops; "" for one
  // of the listener's name.
  template <class MakeNew, class MakeAgain>
  void listen(const std::string& name, const std::string& address, MakeNew&& create,
              MakeAgain&& restore, const std::string& kind = {}, bool independent = false) {
    const handoff_conn_ops ops =
        add(std::forward<MakeNew>(create), std::forward<MakeAgain>(restore), kind, independent);
    check(handoff_poll_listen(kit_, name.c_str(), address.c_str(), &ops, listeners_.back().get()));
  }
  // Before start(): all listeners that are offered and that nobody has declared or given back; see
  // handoff::uv::Host::listen_offered(). Returns how many there are.
  template <class MakeNew, class MakeAgain>
  std::size_t listen_offered(MakeNew&& create, MakeAgain&& restore, const std::string& kind = {},
                             bool independent = false) {
    const handoff_conn_ops ops =
        add(std::forward<MakeNew>(create), std::forward<MakeAgain>(restore), kind, independent);
    const int count = handoff_poll_listen_offered(kit_, &ops, listeners_.back().get());
    check(count);
    return static_cast<std::size_t>(count);
  }

  // Before start(). A kind of session whose connections this service opens itself; see
  // handoff::uv::Host::outgoing(), and so for the two below.
  template <class MakeAgain>
  void outgoing(const std::string& kind, MakeAgain&& restore) {
    const handoff_conn_ops ops = add(Create(), std::forward<MakeAgain>(restore), kind, false);
    check(handoff_poll_outgoing(kit_, &ops, listeners_.back().get()));
  }
  // From start() on.
  Stream& connect(const std::string& kind, const std::string& address,
                  std::unique_ptr<Stream> stream) {
    handoff_conn_t* c = nullptr;
    if (!stream) throw Exception(-EINVAL, "a connection needs a Stream");
    check(handoff_poll_connect(kit_, kind.c_str(), address.c_str(), nullptr, &c));
    return opened(c, std::move(stream));
  }
  // Takes fd; after an exception it is the caller's as before, but for one of on_open().
  Stream& adopt(const std::string& kind, int fd, std::unique_ptr<Stream> stream) {
    handoff_conn_t* c = nullptr;
    if (!stream) throw Exception(-EINVAL, "a connection needs a Stream");
    check(handoff_poll_adopt(kit_, kind.c_str(), fd, nullptr, &c));
    return opened(c, std::move(stream));
  }

  // The hooks of handoff::uv::Host.
  void on_retired(std::function<void()> f) { retired_ = std::move(f); }
  void on_late(std::function<void(std::uint64_t waiting)> f) { late_ = std::move(f); }
  void on_stop(std::function<void()> f) { stop_ = std::move(f); }
  // Without f, the io_context is stopped.
  void on_finished(std::function<void()> f) { finished_ = std::move(f); }

  // For several lanes: ends the declarations, on the service itself.
  static void ready(Service& service) {
    const int result = handoff_ready(service.raw());
    if (result < 0) throw Exception(result, handoff_last_error(service.raw()));
  }
  // Restores what comes, and returns as the owner. Throws handoff::Exception: HANDOFF_ERR_ABORTED
  // if the handoff has failed; exit then, the donor serves on.
  void start() {
    check(handoff_poll_start(kit_));
    wait();
  }

  net::io_context& io() const { return io_; }
  Service& service() const { return service_; }
  // What the Host stands on, borrowed: for a layer before a listener (handoff/tls_poll.h).
  handoff_poll_t* kit() const { return kit_; }
  std::size_t size() const { return handoff_poll_count(kit_); }
  Stream* find(SessionId id) const {
    handoff_conn_t* const c = handoff_poll_find(kit_, id);
    return c == nullptr ? nullptr : static_cast<Stream*>(handoff_conn_user(c));
  }
  // f may write to or close Streams.
  template <class F>
  void for_each(F&& f) const {
    handoff_poll_each(
        kit_,
        [](void* user, handoff_conn_t* c) {
          (*static_cast<std::remove_reference_t<F>*>(user))(stream(c));
        },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  friend class Pair;
  using Create = std::function<std::unique_ptr<Stream>()>;
  using Restore = std::function<std::unique_ptr<Stream>(std::string_view state)>;
  struct Listener {
    Host& host;
    Create create;
    Restore restore;
  };

  // Keeps what a kind of connections does; kind must outlive what is returned.
  template <class MakeNew, class MakeAgain>
  handoff_conn_ops add(MakeNew&& create, MakeAgain&& restore, const std::string& kind,
                       bool independent) {
    using Made = typename std::invoke_result_t<MakeAgain&, std::string_view>::element_type;
    listeners_.push_back(std::make_unique<Listener>(
        Listener{*this, std::forward<MakeNew>(create), std::forward<MakeAgain>(restore)}));
    handoff_conn_ops ops = callbacks();
    if (handoff::detail::OnOpen::is_silent<Stream, Made>()) ops.adopted = nullptr;
    ops.kind = kind.empty() ? nullptr : kind.c_str();
    ops.flags = independent ? HANDOFF_SESSION_INDEPENDENT : 0;
    if constexpr (std::is_base_of_v<Pair, Made>) ops.upstream = Made::upstream_ops();
    return ops;
  }

  static Host& of(void* user) { return *static_cast<Host*>(user); }
  static Stream& stream(const handoff_conn_t* c) {
    return *static_cast<Stream*>(handoff_conn_user(c));
  }
  static Listener& listener(const handoff_conn_t* c) {
    return *static_cast<Listener*>(handoff_conn_context(c));
  }
  void check(int result) const {
    if (result < 0) throw Exception(result, handoff_poll_last_error(kit_));
  }
  // No exception of the service may go through the kit.
  template <class F, class... Arguments>
  static void tell(const char* whom, F&& f, Arguments... arguments) {
    try {
      if constexpr (requires { static_cast<bool>(f); }) {
        if (!f) return;
      }
      f(arguments...);
    } catch (const std::exception& e) {
      detail::complain(std::string(whom) + " threw: " + e.what());
    } catch (...) {
      detail::complain(std::string(whom) + " threw what is no std::exception");
    }
  }
  // Gives input; without an answer of f the session ends.
  template <class F>
  static std::size_t hand_in(handoff_conn_t* c, const char* whom, F&& f) {
    std::size_t used = 0;
    bool done = false;
    tell(whom, [&] {
      used = f();
      done = true;
    });
    if (!done) handoff_conn_abort(c);
    return used;
  }
  template <class F>
  static int guard(const handoff_conn_t* c, F&& f) {
    try {
      return f();
    } catch (const std::exception& e) {
      handoff_reason(handoff_poll_service(handoff_conn_poll(c)), e.what());
    } catch (...) {
      handoff_reason(handoff_poll_service(handoff_conn_poll(c)), "no std::exception was thrown");
    }
    return HANDOFF_ERR_REJECTED;
  }
  static int take(handoff_conn_t* c, std::unique_ptr<Stream> made);
  static Stream& opened(handoff_conn_t* c, std::unique_ptr<Stream> stream);
  static handoff_conn_ops callbacks();
  void wait();
  void turn();

  net::io_context& io_;
  Service& service_;
  handoff_poll_t* kit_ = nullptr;
  net::posix::stream_descriptor watch_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::function<void()> retired_, stop_, finished_;
  std::function<void(std::uint64_t)> late_;
};

}  // namespace handoff::asio

#include <handoff/detail/asio_host.hpp>

#endif  // HANDOFF_ASIO_HPP
