// uv.hpp: libhandoff for services on libuv. Header-only; include <uv.h> comes with it.
//
// Host joins a Service to a uv loop and owns the connections; a Stream is one connection. The
// Stream reads, writes, and keeps invariant I3 (docs/invariants.md) for the author: input that
// on_input() has not consumed and output that the kernel has not taken are saved with the session
// and restored with it.
//
//   struct Echo : handoff::uv::Stream {
//     std::size_t on_input(std::string_view in) override { write(in); return in.size(); }
//     std::string save() const override { return {}; }
//   };
//   auto service = handoff::Service::open({.name = "echo", .version = "1"});
//   handoff::uv::Host host(uv_default_loop(), *service);
//   host.listen("public", "tcp:127.0.0.1:7000", [] { return std::make_unique<Echo>(); },
//               [](std::string_view state) { return std::make_unique<Echo>(state); });
//   host.start();                                   // restores; returns as the owner
//   uv_run(uv_default_loop(), UV_RUN_DEFAULT);      // ends when retired or stopped
//
// The Host watches the connections by an epoll set of its own, which the uv loop polls as a single
// fd. So an heir registers every socket before the switch, where libuv would do it at its next
// poll, and a donor lets go of all sockets by closing one fd. While a donor is frozen its loop does
// not turn (handoff_dispatch() returns when the switch is decided), so no timer and no other handle
// of the service runs.
//
// Connections that the service opens itself (Host::connect(), Host::adopt()) are Streams and move
// like those that it accepts. Sessions with two connections are in handoff/uv_pair.hpp.
//
// Options::vault keeps the sessions over a death of the process, too: handoff/vault.h says what is
// promised. Nothing else changes for the author.
//
// Everything here belongs to the loop's thread. A service with several loops (Options::lanes) has a
// Host for each, on Service::lane(i). One thread makes all Hosts, calls their listen(), and then
// Service::start(); each thread then calls its Host::start() and runs its loop. All loops accept
// from the same listeners; a connection stays with the loop that accepted it.
#ifndef HANDOFF_UV_HPP
#define HANDOFF_UV_HPP

#include <handoff/detail/on_open.hpp>
#include <handoff/detail/uv_connection.hpp>
#include <handoff/detail/uv_engine.hpp>
#include <handoff/detail/uv_listening.hpp>
#include <handoff/handoff.hpp>

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace handoff::uv {

// Joins a Service, a uv loop and the connections. A Host must outlive the loop's run; the Service
// and the loop must outlive the Host.
class Host : private Engine {
 public:
  using Create = uv::Create;
  using Restore = uv::Restore;
  using ListenOptions = uv::ListenOptions;

  // Takes the Service's callbacks for sessions. Throws handoff::Exception if they are taken: by a
  // second Host, say, whose sessions this one would save and restore.
  Host(uv_loop_t* loop, Service& service) : Engine(loop, service) {}
  // Waits for clients that may not have read the last answer, see Stream::close(). In a process
  // that was stopped it does not wait for one whose system has all of it.
  ~Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Before start(). A listener and the kind of session that it accepts. With several lanes each
  // Host gets the same listeners; the address of lane 0's counts. create is a Create, restore a
  // Restore. restore should return a pointer to a final class: if that has no on_open() of its own,
  // the switch does not have to visit each of its sessions. Throws handoff::Exception, and declares
  // nothing, if another listener has that kind. A kind that goes by the listener's name must be
  // declared before this call.
  template <class MakeNew, class MakeAgain>
  void listen(const std::string& name, const std::string& address, MakeNew&& create,
              MakeAgain&& restore) {
    listen(name, address, std::forward<MakeNew>(create), std::forward<MakeAgain>(restore),
           ListenOptions{});
  }
  template <class MakeNew, class MakeAgain>
  void listen(const std::string& name, const std::string& address, MakeNew&& create,
              MakeAgain&& restore, ListenOptions options) {
    using Made = typename std::invoke_result_t<MakeAgain&, std::string_view>::element_type;
    const bool by_itself = options.kind.empty();
    if (by_itself) options.kind = name;
    claim_kind(name, options.kind, by_itself);
    if (service_.index() == 0) {
      service_.listener(name, address);
      if (by_itself && service_.kind_version(name) == 0) service_.listener_kind(name);
    }
    restores_[options.kind] = {std::forward<MakeAgain>(restore),
                               !detail::OnOpen::is_silent<Stream, Made>()};
    listeners_.push_back(std::make_unique<Listener>(
        Listener{name, std::forward<MakeNew>(create), std::move(options), by_itself, -1}));
  }
  // Before start(): all listeners that are offered (Service::offered()) and that nobody has
  // declared or given back before, for a program that serves whatever the configuration names.
  // Their sessions are of one kind, "session" unless options name another. Returns how many there
  // are. With several lanes lane 0's Host comes first, and the others get what it has got:
  // HANDOFF_ERR_ORDER.
  template <class MakeNew, class MakeAgain>
  std::size_t listen_offered(MakeNew&& create, MakeAgain&& restore) {
    return listen_offered(std::forward<MakeNew>(create), std::forward<MakeAgain>(restore),
                          ListenOptions());
  }
  template <class MakeNew, class MakeAgain>
  std::size_t listen_offered(MakeNew&& create, MakeAgain&& restore, ListenOptions options) {
    using Made = typename std::invoke_result_t<MakeAgain&, std::string_view>::element_type;
    if (options.kind.empty()) options.kind = "session";
    const Create make_new(std::forward<MakeNew>(create));
    std::size_t count = 0;
    for (const auto& [name, address] : service_.offered()) {
      if (has_listener(name) || !declare_offered(name, address)) continue;
      if (count++ == 0) claim_kind(name, options.kind, false);
      listeners_.push_back(
          std::make_unique<Listener>(Listener{name, make_new, options, false, -1}));
    }
    if (count > 0) {
      restores_[options.kind] = {std::forward<MakeAgain>(restore),
                                 !detail::OnOpen::is_silent<Stream, Made>()};
    }
    return count;
  }

  // Before start(). A kind of session whose connections this service opens itself, by connect() or
  // adopt(). restore is as in listen(). Service::kind() may have declared the kind; else it is of
  // version 1. Each lane's Host gets the same kinds.
  template <class MakeAgain>
  void outgoing(const std::string& kind, MakeAgain&& restore) {
    using Made = typename std::invoke_result_t<MakeAgain&, std::string_view>::element_type;
    claim_kind("of outgoing connections", kind, false);
    if (service_.index() == 0 && service_.kind_version(kind) == 0) service_.kind(kind, 1);
    restores_[kind] = {std::forward<MakeAgain>(restore),
                       !detail::OnOpen::is_silent<Stream, Made>()};
  }
  // From start() on. Opens a connection, of which stream says what it does; address is that of
  // handoff_connect(). The stream is the Host's, and may write() at once. on_open(false) is called
  // in here; on_connected() or on_refused() follows from the loop. An upgrade takes along a connect
  // that is under way. Throws handoff::Exception, and has made no session, for a kind that was not
  // declared, and where connect(2) fails at once: so does a port of this host on which nobody
  // listens. HANDOFF_ERR_ORDER before start(), once the service stops, and once an heir has its
  // sessions: an on_closed() that connects again should expect it. What on_open() throws comes
  // through, and the session has ended then.
  Stream& connect(const std::string& kind, const std::string& address,
                  std::unique_ptr<Stream> stream);
  // Likewise for a connected stream socket that the service has. Takes fd; after an exception it is
  // the caller's as before.
  Stream& adopt(const std::string& kind, int fd, std::unique_ptr<Stream> stream);

  // f is called once the sessions are an heir's, while all Streams are there: stop your timers in
  // it. Stream::on_moved() follows, and the end of all Streams, before the loop goes on.
  void on_retired(std::function<void()> f) { retired_hook_ = std::move(f); }
  // f is called at a switch that leaves `waiting` sessions here, which hold(): this process serves
  // them until they have moved or ended, and accepts no others. on_moved() follows for each Stream
  // that has gone.
  void on_late(std::function<void(std::uint64_t waiting)> f) { late_hook_ = std::move(f); }
  // f is called after the sessions went to an heir (all Streams are gone by then) or a stop is
  // complete: end your own handles in it. Without f, uv_stop() is called. After on_retired() this
  // comes in the same turn of the loop, before any timer.
  void on_finished(std::function<void()> f) { finished_ = std::move(f); }
  // f is called when the service is asked to stop, before any Stream is closed.
  void on_stop(std::function<void()> f) { stopping_hook_ = std::move(f); }

  // Restores what comes, and returns as the owner: the place to start your timers. Throws
  // handoff::Exception if a listener's kind was never declared (HANDOFF_ERR_UNKNOWN), or if the
  // handoff has failed: exit then, the donor serves on. Otherwise run the loop.
  void start();

  uv_loop_t* loop() const { return loop_; }
  Service& service() const { return service_; }
  std::size_t size() const { return streams_.size(); }
  // The Stream of that session, owned by the Host; nullptr if there is none.
  Stream* find(SessionId id) const { return live(id); }
  // f may write to or close Streams; it must not make or destroy any.
  template <class F>
  void for_each(F&& f) const {
    each_live(std::forward<F>(f));
  }
  // Once this many bytes of output wait, a client that does not read is not read either: its
  // requests would only make more output.
  using Engine::kHighWater;
  // A std::size_t. A connection with more bytes of unconsumed input than this is closed, after
  // on_overflow(). Set it higher where one request may be larger.
  using Engine::max_input;

 private:
  friend class Engine;
  friend class Stream;
  friend class Pair;
};

}  // namespace handoff::uv

#include <handoff/detail/uv_author.hpp>
#include <handoff/detail/uv_connect.hpp>
#include <handoff/detail/uv_deadline.hpp>
#include <handoff/detail/uv_end.hpp>
#include <handoff/detail/uv_host.hpp>
#include <handoff/detail/uv_listeners.hpp>
#include <handoff/detail/uv_pairs.hpp>
#include <handoff/detail/uv_room.hpp>
#include <handoff/detail/uv_stream.hpp>
#include <handoff/detail/uv_vault.hpp>

#endif  // HANDOFF_UV_HPP
