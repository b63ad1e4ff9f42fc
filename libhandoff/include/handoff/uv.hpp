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
// Everything here belongs to the loop's thread. A service with several loops (Options::lanes) has a
// Host for each, on Service::lane(i). One thread makes all Hosts, calls their listen(), and then
// Service::start(); each thread then calls its Host::start() and runs its loop. All loops accept
// from the same listeners; a connection stays with the loop that accepted it.
#ifndef HANDOFF_UV_HPP
#define HANDOFF_UV_HPP

#include <handoff/detail/offered_lanes.hpp>
#include <handoff/detail/uv_linger.hpp>
#include <handoff/handoff.hpp>

#include <uv.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace handoff::uv {

class Host;

// One connection. Created by a factory given to Host::listen() and owned by the Host, which
// destroys it after the connection has ended; never destroy one yourself.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  SessionId id() const { return id_; }
  Host& host() const { return *host_; }
  int fd() const { return fd_; }  // borrowed; for getpeername() and the like
  bool closing() const { return closing_; }
  // Bytes that write() has queued and the kernel has not taken.
  std::size_t output_size() const { return output_.size() - sent_; }

  // The four that are virtual are a layer's to override, such as tls.hpp: the Host, too, closes by
  // close().

  // Queues a copy of bytes, sent when the loop has handled the events at hand. Any time but in
  // save(). Does nothing once closing.
  virtual void write(std::string_view bytes);
  // Sends what is queued, then ends the connection. on_input() is not called any more. What the
  // client still sends is discarded, so that it can read the last answer: the Host keeps the socket
  // until the client ends the connection too, at most Linger::kLingerMs, after on_closed(). Of
  // Host::connect(): what is queued waits for the connect, but in a service that stops; with
  // nothing queued the connect is given up.
  virtual void close();
  // Call it after changing what save() returns from anywhere but on_input(), write() or a restore.
  void changed();
  // Stops handing input to on_input(), until resume(). Input stays in the socket or waits here, and
  // is saved. The pause is not: a Stream that is restored calls pause() again, in its constructor
  // or in on_open().
  virtual void pause();
  // Hands the input that waits to on_input() again, from the loop, whether or not it was paused:
  // for a Stream that can go on with what it has left there.
  virtual void resume();
  // Sends what is queued, then ends the sending half (shutdown(2)); input comes as before. What is
  // written after it is dropped.
  void end_output();
  // The session is in the middle of something: at an upgrade it stays with this process, and moves
  // once release() was called. While nobody upgrades, hold() changes nothing. What other sessions
  // or sections share with a session that stayed is in the newer process by then. Throws in a
  // service with several lanes.
  void hold();
  void release();
  // The session can't move, and why ("tls"): see handoff_session_stays(). nullptr takes it back.
  void stays(const char* why);

 protected:
  // All input that has arrived and was not consumed before; valid during the call. Returns how many
  // bytes of it were consumed; the rest comes again, with more behind it. Must not throw.
  virtual std::size_t on_input(std::string_view input) = 0;
  // In on_input(): that many bytes at the beginning of input are what the call before has left. A
  // search for the end of a line goes on from here; from the beginning it would be quadratic. For
  // classes that look at all input in each call. 0 where that call paused, and in a restored
  // Stream.
  std::size_t seen() const { return seen_; }
  // There are more than Host::max_input bytes of unconsumed input. The connection is closed after
  // this, so an override may write() a last answer. By default stderr gets a line.
  virtual void on_overflow();
  // The session's state in this release's own version. Must not change anything. After an exception
  // the session can't be moved: handoff_callbacks::save() says what becomes of it. Input and output
  // are no part of the state, and go along by themselves: what the heir has of them is not sent
  // again, however much waits.
  virtual std::string save() const = 0;
  // The stream has its socket and id and may write(). adopted is false for a new connection, and
  // true for a restored one, to which the donor may have written already what a new one gets first.
  // All restored streams are told before any input is looked at. This is part of the blackout, so a
  // class that has nothing to do here should not override it (see Host::listen()).
  virtual void on_open(bool /*adopted*/) {}
  // For a layer such as tls.hpp, whose own bytes move beside the state (handoff_save_layer(), which
  // says how many): no state step sees them, and the library wipes them. Memory that they grow in
  // would keep a copy, so reserve() it. A restored Stream gets them after its constructor, before
  // its input, and again with each newer state, as a new Stream; what the override throws refuses
  // the session. A class that knows of none refuses all: it could not go on where they were left.
  // begin_layer() comes before on_open(false).
  virtual void begin_layer() {}
  virtual std::string save_layer() const { return {}; }
  virtual void restore_layer(std::string_view layer);
  // In restore_layer(): on_input() comes once the session is this process's, also without input.
  void look() { looks_ = true; }
  // Calls on_deadline() at that time, in milliseconds of CLOCK_MONOTONIC, unless the connection
  // ends or another time is set before; 0: not at all. Does not move. From begin_layer() or
  // restore_layer() on.
  void set_deadline(std::uint64_t at_ms);
  virtual void on_deadline() {}
  // The peer has ended its half, and all of its input has been here: while a paused Stream has
  // some that waits, this comes after resume(). By default close(). An override may go on sending.
  // A restored Stream is told again.
  virtual void on_end() { close(); }
  // Of Host::connect(): the connection is made; or it is not, and error says why (errno(3)). After
  // on_refused() it is closed.
  virtual void on_connected() {}
  virtual void on_refused(int /*error*/) {}
  // The connection is over: the peer closed it, it failed, close() is done, or it could not be
  // moved and was reset at the switch. The Stream is destroyed after this. Not called when the
  // session goes to an heir, at the switch or later.
  virtual void on_closed() {}
  // The session is another process's now, and the connection goes on there. The Stream is destroyed
  // after this: take it out of your tables, as in on_closed(). At the switch all Streams are told
  // before any is destroyed. write(), close() and hold() do nothing here.
  virtual void on_moved() {}

 private:
  friend class Host;
  friend class Pair;
  // The Stream of the session's second connection, which belongs to this one (uv_pair.hpp).
  virtual std::unique_ptr<Stream> make_second() { return nullptr; }
  Stream& first() { return is_second_ ? *mate_ : *this; }
  std::uint64_t key() const;
  // Both halves have ended, and so has all that there was to read and to send. So it is of an
  // upstream that is none yet.
  bool complete() const {
    const bool none = is_second_ && fd_ < 0 && !connecting_;
    return (none || (ended_ && told_end_ && shut_)) && output_.empty();
  }

  Host* host_ = nullptr;
  SessionId id_ = 0;
  int fd_ = -1;
  std::uint32_t watched_ = 0;  // the epoll events asked for now
  bool closing_ = false;       // no more input; ends when the output is sent
  bool ended_ = false;         // the client has ended its half
  bool dead_ = false;          // over; waits to be destroyed
  bool queued_ = false;        // in the host's list of streams to flush
  bool touched_ = false;
  bool inherited_ = false;  // from another process, which may still have the socket open
  bool paused_ = false;
  bool held_ = false;
  bool connecting_ = false;   // neither connected nor refused yet
  int refused_ = 0;           // an errno that on_refused() is to be told of
  bool told_end_ = false;     // on_end() was called
  bool looks_ = false;        // see look()
  bool shut_wanted_ = false;  // the sending half ends when the output is sent
  bool shut_ = false;         // it has ended
  bool is_second_ = false;
  bool placed_ = false;     // of a second: its name is held for it, see Host::hold_place()
  Stream* mate_ = nullptr;  // the other connection of the session
  std::unique_ptr<Stream> second_;
  bool frozen_ = false;           // on its way to or from another process: not to be touched
  std::size_t saved_output_ = 0;  // frozen: how many bytes of the output go along
  std::string input_;             // read, not consumed
  std::size_t seen_ = 0;          // of input_, what on_input() has had
  std::string output_;            // produced; sent_ of it is accepted by the kernel
  std::size_t sent_ = 0;
  // How many bytes came before input_ and output_ since this process has the session: their
  // positions, so that an heir gets no byte twice.
  std::uint64_t input_from_ = 0;
  std::uint64_t output_from_ = 0;
  std::size_t opening_ = static_cast<std::size_t>(-1);  // in the host's list of that name
  std::uint64_t deadline_ms_ = 0;
};

// Joins a Service, a uv loop and the connections. A Host must outlive the loop's run; the Service
// and the loop must outlive the Host.
class Host {
 public:
  using Create = std::function<std::unique_ptr<Stream>()>;
  // state is what save() gave, converted to this release's version; valid during the call. After an
  // exception or nullptr this session is not taken: handoff_callbacks::restore() says what becomes
  // of it.
  using Restore = std::function<std::unique_ptr<Stream>(std::string_view state)>;

  struct ListenOptions {
    // The kind of its sessions, by which they are restored: no two listeners of a Host may share
    // one. Left empty, the kind has the listener's name. It is the one that Service::kind() has
    // declared under that name, with versions and steps of its own, or else one with those of the
    // kind "session" (handoff_listener_kind()). Any other than "session" must be declared.
    //
    // A build from before listeners had kinds says "session" for the sessions of all of them. They
    // go to the only listener. Where there are several, one has to say kind = "session" to get
    // them, and then each of the others a kind, too.
    std::string kind = {};
    bool independent = false;  // HANDOFF_SESSION_INDEPENDENT for all its sessions
  };

  // Takes the Service's callbacks for sessions. Throws handoff::Exception if they are taken: by a
  // second Host, say, whose sessions this one would save and restore.
  Host(uv_loop_t* loop, Service& service);
  // Waits for clients that may not have read the last answer, see Stream::close(). In a process
  // that was stopped it does not wait for one whose system has all of it.
  ~Host();
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
    restores_[options.kind] = {std::forward<MakeAgain>(restore), !opens_silently<Made>()};
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
      restores_[options.kind] = {std::forward<MakeAgain>(restore), !opens_silently<Made>()};
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
    restores_[kind] = {std::forward<MakeAgain>(restore), !opens_silently<Made>()};
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
  Stream* find(SessionId id) const {
    const auto it = streams_.find(id);
    return it != streams_.end() && !it->second->dead_ ? it->second.get() : nullptr;
  }
  // f may write to or close Streams; it must not make or destroy any.
  template <class F>
  void for_each(F&& f) const {
    for (auto& [id, stream] : streams_) {
      if (!stream->dead_) f(*stream);
    }
  }
  // Once this many bytes of output wait, a client that does not read is not read either: its
  // requests would only make more output.
  static constexpr std::size_t kHighWater = std::size_t{1} << 20;
  // A connection with more bytes of unconsumed input than this is closed, after on_overflow(). Set
  // it higher where one request may be larger.
  std::size_t max_input = std::size_t{16} << 20;

 private:
  friend class Stream;
  friend class Pair;
  struct Listener {
    std::string name;
    Create create;
    ListenOptions options;  // with its kind
    bool by_itself;         // the kind goes by the listener's name
    int fd;
    bool rests = false;    // not watched for a moment, since there were no fds to accept with
    bool earlier = false;  // at another address of that name; fd is the Host's
  };
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  static constexpr std::uint32_t kClosing = 1;  // the session ends when its output is sent
  static constexpr std::uint32_t kPair = 2;     // its input holds that of both connections
  static constexpr std::uint32_t kConnecting = 4;
  static constexpr std::uint32_t kSecondConnecting = 8;
  static constexpr std::uint32_t kShut = 16;  // the sending half ends when the output is sent
  static constexpr std::uint32_t kSecondShut = 32;
  static constexpr std::uint32_t kAllFlags = 63;
  static constexpr std::uint64_t kSecond = std::uint64_t{1} << 63;  // of a key in pending_
  static constexpr const char* kUpstream = "upstream";              // the fd of the second

  struct Restorer {
    Restore restore;
    bool opens;  // its on_open() does something
  };
  // Whether every object that a T* can point to has Stream's own on_open(). An override that is not
  // public can't be named from here, and counts as one.
  template <class T>
  static constexpr bool opens_silently() {
    if constexpr (!std::is_final_v<T>) {
      return false;
    } else if constexpr (requires { &T::on_open; }) {
      return std::is_same_v<decltype(&T::on_open), void (Stream::*)(bool)>;
    } else {
      return false;
    }
  }

  void claim_kind(const std::string& name, const std::string& kind, bool by_itself) const;
  bool has_listener(const std::string& name) const;
  bool declare_offered(const std::string& name, const std::string& address);
  void take_earlier();
  void end_earlier(Listener& listener);
  void check_kinds() const;
  std::string unknown_kind(std::string_view kind) const;
  static std::uint32_t flags_of(const ListenOptions& options);
  static void set_nonblocking(int fd);
  void watch(int op, int fd, std::uint32_t events, std::uint64_t data);
  void open_set();
  void leave_loop();
  void close_set();
  void poll_start(uv_poll_t& poll, int fd, uv_poll_cb callback);

  void init_handles();
  void close_handles();

  // -- the handoff
  Saved save(SessionId id);
  void adopt(Adopted& a);
  void extend(Adopted& a);
  std::unique_ptr<Stream> make_again(Adopted& a, bool& opens);
  void take(Adopted& a, std::unique_ptr<Stream> stream, bool opens);
  void forget(SessionId id);
  void let_go_of(Stream& s);
  // -- pairs (detail/uv_pairs.hpp)
  static Stream& make_second(Stream& first);
  Stream& second_of(Stream& first);
  void own(Stream& s, SessionId id);
  void attach(Stream& first, int fd, bool connecting);
  void refuse_later(Stream& first, int error);
  void drop_second(Stream& second);
  void hold_place(Stream& second);
  static bool is_place(int fd);
  static std::string pack_pair(const Stream& first);
  static void unpack_pair(Stream& first, std::string_view packed);
  void take_second(Adopted& a, Stream& first, Stream* before);
  template <class F>
  static void each_of(Stream& first, F&& f) {
    f(first);
    if (first.second_) f(*first.second_);
  }
  // -- sessions that were held
  void stop_accepting();
  void moved(SessionId id);
  void freeze(SessionId id);
  void thaw(SessionId id);
  // The Host neither reads nor sends any more.
  bool over() const { return retired_ || epoll_ < 0; }
  template <class F>
  static void tell(const char* whom, F&& f);
  void late(std::uint64_t waiting);
  void retire();
  void end_streams();
  void stop(std::uint64_t deadline_us);
  void end_all();
  static void closed(uv_handle_t* handle);

  // -- events
  void on_service();
  void on_events();
  void accept_from(Listener& listener);
  std::unique_ptr<Stream> admit(Listener& listener, int fd);
  void check_outgoing(const std::string& kind) const;
  void opened(Stream& s);
  Stream& take_in(const std::string& kind, int fd, std::unique_ptr<Stream> stream, bool connecting);
  void connected(Stream& s);
  void refused(Stream& s, int error);
  bool hung_up(Stream& s);
  void unwatch(Stream& s);
  void tell_end(Stream& s);
  Stream* by_key(std::uint64_t key) const;
  void rest(Listener& listener);
  void wake_listeners();
  void watch_listener(Listener& listener);
  void read_from(Stream& s);
  void consume(Stream& s);
  void touch(Stream& s);
  void enqueue(Stream& s);
  void schedule();
  void flush();
  void announce_adopted();
  void send_from(Stream& s);
  static void trim(Stream& s);
  void rewatch(Stream& s);
  void overflow(Stream& s);
  void end(Stream& s);
  void end_complete(Stream& s);
  void finish(Stream& s);
  void finish_pair(Stream& s);
  void close_connecting(Stream& s);
  static void reset(int fd);
  void leave(Stream& s);
  // -- detail/uv_deadline.hpp
  void set_deadline(Stream& s, std::uint64_t at_ms);
  void time_deadlines();
  void meet_deadlines();
  void let_linger(int fd);
  void time_linger();

  uv_loop_t* loop_;
  Service& service_;
  int epoll_ = -1;
  int alias_ = -1;  // see open_set()
  uv_poll_t service_poll_{};
  uv_poll_t set_poll_{};
  uv_idle_t flusher_{};      // sends what was written outside a batch of events
  uv_timer_t rest_timer_{};  // until listeners without fds to accept with are tried again
  uv_timer_t stop_timer_{};  // until clients that don't read are cut off
  uv_timer_t linger_timer_{};
  uv_timer_t deadline_timer_{};  // until the first of deadlines_
  Linger linger_;
  int open_handles_ = 0;
  bool turned_ = false;  // the loop has turned once
  bool in_batch_ = false;
  bool flushing_ = false;
  bool finishing_ = false;
  bool retired_ = false;  // the streams are the heir's
  bool late_ = false;     // all but those that stay
  bool stopping_ = false;
  std::uint64_t cut_off_ms_ = 0;  // of a stop; 0: there was none
  std::array<char, 65536> buffer_{};
  std::unordered_map<SessionId, std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::string, Restorer, std::less<>> restores_;
  std::set<std::pair<std::uint64_t, SessionId>> deadlines_;
  std::vector<std::uint64_t> pending_;  // keys of Streams to flush
  std::vector<SessionId> ended_;        // to destroy
  std::vector<Stream*> opening_;    // restored, on_open() not called yet; nullptr: ended before it
  std::vector<SessionId> adopted_;  // restored with something to do
  std::vector<SessionId> thawed_;   // whose input is to be looked at
  std::function<void()> finished_, stopping_hook_, retired_hook_;
  std::function<void(std::uint64_t)> late_hook_;
};

}  // namespace handoff::uv

#include <handoff/detail/uv_author.hpp>
#include <handoff/detail/uv_connect.hpp>
#include <handoff/detail/uv_deadline.hpp>
#include <handoff/detail/uv_end.hpp>
#include <handoff/detail/uv_hang_up.hpp>
#include <handoff/detail/uv_host.hpp>
#include <handoff/detail/uv_pairs.hpp>
#include <handoff/detail/uv_stream.hpp>

#endif  // HANDOFF_UV_HPP
