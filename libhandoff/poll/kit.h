// The kit of handoff/poll.h: an epoll loop that owns the connections of one handle.
//
// The loop's epoll set (loop_) has the handle's fd, a timerfd, an eventfd that wakes it, the fds
// that the author watches, and a second set (set_) with listeners and connections. So an heir
// registers every socket before the switch, and a donor lets go of all by closing one fd. set_ is
// put into loop_ while it is empty: later that costs O(fds in it).
//
// Stands on the public headers alone. Exceptions (no memory, in the main) end in the functions of
// the C ABI, or in on(), which is around each callback of the handle.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "handoff/detail/ending.hpp"
#include "handoff/detail/session_record.hpp"
#include "handoff/detail/uv_linger.hpp"
#include "handoff/poll.h"
#include "libhandoff/poll/connection.h"
#include "libhandoff/poll/failed.h"
#include "libhandoff/poll/timers.h"

struct handoff_poll : private handoff::detail::Ending<handoff_poll, handoff_conn> {
 public:
  handoff_poll(handoff_t* handle, const handoff_poll_options& options);
  ~handoff_poll();
  handoff_poll(const handoff_poll&) = delete;
  handoff_poll& operator=(const handoff_poll&) = delete;

  // -- the loop (loop.cc)
  void listen(const char* name, const char* address, const handoff_conn_ops& ops, void* context);
  int listen_offered(const handoff_conn_ops& ops, void* context);
  bool declare_offered(const char* name, const char* address);
  void declare_outgoing(const handoff_conn_ops& ops, void* context);
  void put_layer(const char* name, const handoff_conn_layer& layer, void* context);
  int start();
  int run();
  int once(int timeout_ms);
  int fd() const { return loop_; }
  handoff_t* handle() const { return handle_; }
  bool inside() const { return inside_; }
  void stop(std::uint64_t within_ms);
  std::uint64_t add_timer(std::uint64_t ms, bool every, handoff::poll::Timers::Function f,
                          void* user);
  bool cancel_timer(std::uint64_t id);
  void watch_fd(int fd, int events, void (*f)(void*, int, int), void* user);
  bool unwatch_fd(int fd);

  // -- what the author does with connections (author.cc)
  int write(handoff_conn& c, std::string_view bytes);  // through its layer
  int send(handoff_conn& c, std::string_view bytes);
  static std::size_t deliver(handoff_conn& c, std::string_view bytes, std::size_t seen);
  void close(handoff_conn& c);
  static bool part(handoff_conn& c);
  void end_output(handoff_conn& c);
  void abort(handoff_conn& c);
  void touch(handoff_conn& any);
  void touch_sent(handoff_conn& any);
  void pause(handoff_conn& c);
  void resume(handoff_conn& c);
  int hold(handoff_conn& any, bool handoff_conn::*by);
  int stays(handoff_conn& c, const char* why);
  int release(handoff_conn& any, bool handoff_conn::*by);
  bool leaves(const handoff_conn& any) const;
  handoff::poll::Listener& may_open(const char* kind);
  // Opens a connection of the service's own; takes fd if it succeeds.
  handoff_conn* open(const char* kind, int fd, void* user, bool connecting);
  void connect_upstream(handoff_conn& c, const char* address);
  void adopt_upstream(handoff_conn& c, int fd);
  std::size_t count() const { return conns_.size(); }
  handoff_conn* find(std::uint64_t id) const;
  template <class F>  // f must not open any
  void each(F&& f) const {
    for (const auto& [id, c] : conns_) {
      if (!c->dead) f(*c);
    }
  }
  template <class F>  // of those that there are now; f may open others
  void each_now(F&& f) const {
    std::vector<std::uint64_t> ids;
    ids.reserve(conns_.size());
    each([&](const handoff_conn& c) { ids.push_back(c.id); });
    for (const std::uint64_t id : ids) {
      if (handoff_conn* const c = find(id)) f(*c);
    }
  }

  void log(int level, const std::string& message) const;
  std::string last_error = {};

 private:
  friend class handoff::detail::Ending<handoff_poll, handoff_conn>;
  using Listener = handoff::poll::Listener;
  using Record = handoff::detail::SessionRecord;
  using PairInput = handoff::detail::PairInput;
  using Doomed = handoff::detail::Doomed;
  using SocketEnd = handoff::detail::SocketEnd;
  static constexpr std::uint64_t kSecond = std::uint64_t{1} << 63;  // of a key in pending_

  struct Watch {
    std::uint64_t key;  // of its events
    void (*f)(void*, int, int);
    void* user;
  };

  // -- the loop (loop.cc)
  void open_sets();
  void close_set();
  void set_callbacks();
  void claim_kind(const std::string& name, const std::string& kind, bool by_itself) const;
  void add(int to, int fd, std::uint32_t events, std::uint64_t data) const;
  void dispatch();
  void set_alarm();
  void wake() const;
  void on_watch(std::uint64_t key, std::uint32_t events);
  void stop_by(std::uint64_t deadline_us);
  void cut_off();
  bool over() const { return retired_ || set_ < 0; }

  // -- the handoff (handing_over.cc, record.cc)
  int save(std::uint64_t id, handoff_saved_t* out);
  static int save_fresh(const handoff_conn& c, handoff_saved_t* out);
  static int restore(handoff_conn& c, const handoff_adopted& a);
  int adopt(const handoff_adopted& a, bool extends);
  int adopt_fresh(const handoff_adopted& a, Listener& listener);
  Listener* listener_of(std::string_view kind) const;
  std::string unknown_kind(std::string_view kind) const;
  std::optional<PairInput> pair_input(const handoff_adopted& a, const Listener& listener) const;
  static void take_bytes(handoff_conn& c, const handoff_adopted& a, bool extends,
                         const std::optional<PairInput>& pair);
  static void take_flags(handoff_conn& c, std::uint32_t flags);
  void watch_adopted(handoff_conn& c, bool fresh);
  void drop(std::uint64_t id);
  void let_go_of(handoff_conn& c);
  void moved(std::uint64_t id);
  void freeze(std::uint64_t id);
  void thaw(std::uint64_t id);
  void freeze_layers() const;
  void thaw_layers() const;
  void late(std::uint64_t waiting);
  void retire();
  void announce_adopted();

  // -- connections (connections.cc)
  void on_events();
  void accept_from(Listener& listener);
  std::unique_ptr<handoff_conn> make(Listener& listener, std::uint64_t id);
  handoff_conn* admit(Listener& listener, int fd, bool connecting);
  void connected(handoff_conn& c);  // outgoing.cc
  void refuse(handoff_conn& c, int error);
  void rest(Listener& listener);
  void wake_listeners();
  void watch_listener(Listener& listener);
  void take_earlier();
  void end_earlier(Listener& listener);
  void stop_accepting();
  void read_from(handoff_conn& c);
  static std::size_t give(handoff_conn& c, std::string_view bytes);
  static std::size_t hand_in(handoff_conn& c, std::string_view bytes);
  void consume(handoff_conn& c);
  void tell_end(handoff_conn& c);
  void enqueue(handoff_conn& c);
  handoff_conn* by_key(std::uint64_t key) const;
  void flush();
  void send_from(handoff_conn& c);
  static void trim(handoff_conn& c);
  void rewatch(handoff_conn& c);
  void overflow(handoff_conn& c);

  // -- how connections end (handoff/detail/ending.hpp, ending.cc)
  void unwatch(handoff_conn& c);
  void leave(handoff_conn& first);
  bool stops() const { return closing_down_; }
  void let_linger(int fd);
  void time_linger();
  static void destroy(handoff_conn& c);
  static void set_nonblocking(int fd);

  // -- the vault (keeping.cc)
  void unstored(handoff_conn& any);
  int accept(const Listener& listener) const;
  void begin(handoff_conn& c);
  ssize_t receive(handoff_conn& c, const char** data);
  void tell_ended();
  void bury();
  void commit_so_far();
  void commit();
  void dispose(int fd, SocketEnd how);
  void end_socket(int fd, SocketEnd how);

  // -- sessions with two connections (pairs.cc)
  template <class F>
  static void each_of(handoff_conn& first, F&& f) {
    f(first);
    if (first.second) f(*first.second);
  }
  handoff_conn& upstream_to_open(handoff_conn& c);
  void attach(handoff_conn& second, int fd, bool connecting);
  void refuse_later(handoff_conn& second, int error);
  void drop_upstream(handoff_conn& second);
  void hold_place(handoff_conn& second);
  static void forget_upstream(handoff_conn& second);
  void take_upstream(const handoff_adopted& a, handoff_conn& first);

  handoff_t* handle_;
  handoff_poll_options options_;
  bool first_lane_ = true, several_lanes_ = false;
  int loop_ = -1, set_ = -1, timer_ = -1, wake_ = -1;
  bool started_ = false, turned_ = false;  // turned_: the loop has turned once
  bool in_turn_ = false;                   // what is queued is flushed at its end
  bool inside_ = false;                    // in start() or once(): neither may be called
  bool closing_down_ = false;
  bool retired_ = false;  // the connections are the heir's
  bool late_ = false;     // all but those that stay
  bool stopping_ = false, finished_ = false;
  std::uint64_t cut_off_ms_ = 0;  // of a stop; 0: there was none
  handoff::uv::Linger linger_;
  std::uint64_t linger_timer_ = 0;
  std::uint64_t alarm_ms_ = 0;  // what timer_ is set to; 0: to nothing
  handoff::poll::Timers timers_;
  std::map<int, Watch> watches_;           // of an fd
  std::map<std::uint64_t, int> watch_of_;  // the fd of a key
  std::uint64_t next_watch_ = 0;
  std::array<char, 65536> buffer_{};
  std::unordered_map<std::uint64_t, std::unique_ptr<handoff_conn>> conns_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::uint64_t> pending_;   // keys of connections to flush
  std::vector<std::uint64_t> ended_;     // to destroy
  std::size_t told_ = 0;                 // of ended_, so many have had closed()
  bool kept_ = false;                    // in a vault
  std::vector<std::uint64_t> unstored_;  // that the next commit puts
  std::vector<Doomed> doomed_;           // sockets that end after it
  std::vector<handoff_conn*> opening_;   // restored, not told yet; nullptr: ended before it
  std::vector<std::uint64_t> adopted_;   // restored with something to do
  std::vector<std::uint64_t> thawed_;    // whose input is to be looked at
};
