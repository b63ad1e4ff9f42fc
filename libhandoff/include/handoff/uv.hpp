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
// The connections are watched by one epoll set of the Host's own, which the uv loop polls as a
// single fd. So an heir registers every socket before the switch instead of lazily at libuv's next
// poll, and a donor lets go of all of them by closing one fd. While a donor is frozen its loop does
// not turn (handoff_dispatch() comes back when the switch is decided), so neither timers nor
// other handles of the service run either.
//
// Everything here belongs to the loop's thread. A service with several loops (Options::lanes) has a
// Host for each, on Service::lane(i): all are made and told what to listen to on one thread, then
// comes Service::start(), then on each thread Host::start() and the loop. All of them accept from
// the same listeners; a connection stays with the loop that accepted it.
#ifndef HANDOFF_UV_HPP
#define HANDOFF_UV_HPP

#include <handoff/handoff.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>

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
  std::size_t output_size() const { return output_.size() - sent_; }

  // Queues bytes; they are sent when the loop has handled the events at hand. Any time but in
  // save(). Does nothing once closing.
  void write(std::string_view bytes);
  // Sends what is queued, then ends the connection. on_input() is not called any more.
  void close();
  // Call it after changing what save() returns from anywhere but on_input(), write() or a restore.
  void changed();
  // Stop handing input to on_input() (it stays in the socket or waits here, and is saved); go on.
  // That it is paused is not saved: who restores a Stream that waits says so again, in its
  // constructor or in on_open().
  void pause();
  void resume();
  // The session is in the middle of something: at an upgrade it stays with this process, and moves
  // once release() was called. Until then it works as ever; so it does not matter if nobody
  // upgrades. What other sessions or sections share with it is in the newer process by then. Throws
  // in a service with several lanes.
  void hold();
  void release();

 protected:
  // What has arrived and was not consumed before. Returns how much of it was consumed; the rest
  // comes again, with more behind it. Must not throw.
  virtual std::size_t on_input(std::string_view input) = 0;
  // The session's state in this release's own version. Must not change anything.
  virtual std::string save() const = 0;
  // The stream has its socket and id and may write(): a new connection, or (adopted) one that was
  // restored, for which nothing may be written that the donor has written already. All restored
  // streams are told before any input is looked at; that is part of the blackout, so a class that
  // has nothing to do here should not override it (see Host::listen()).
  virtual void on_open(bool /*adopted*/) {}
  // The connection is over: the peer closed it, it failed, or close() is done. The Stream is
  // destroyed after this. Not called when the session goes to an heir, at the switch or later.
  virtual void on_closed() {}

 private:
  friend class Host;
  Host* host_ = nullptr;
  SessionId id_ = 0;
  int fd_ = -1;
  std::uint32_t watched_ = 0;  // the epoll events asked for now
  bool closing_ = false;       // no more input; ends when the output is sent
  bool dead_ = false;          // over; waits to be destroyed
  bool queued_ = false;        // in the host's list of streams to flush
  bool touched_ = false;
  bool inherited_ = false;  // from another process, which may have its socket open for a while yet
  bool paused_ = false;
  bool held_ = false;
  bool frozen_ = false;           // on its way to or from another process: not to be touched
  std::size_t saved_output_ = 0;  // frozen: what of output_ goes along
  std::string input_;             // read, not consumed
  std::string output_;            // produced; sent_ of it is accepted by the kernel
  std::size_t sent_ = 0;
  std::size_t opening_ = static_cast<std::size_t>(-1);  // in the host's list of that name
};

// Joins a Service, a uv loop and the connections. Outlives the loop's run; the Service and the loop
// outlive it.
class Host {
 public:
  using Create = std::function<std::unique_ptr<Stream>()>;
  // state: what save() gave, converted to this release's version. May throw: the handoff fails.
  using Restore = std::function<std::unique_ptr<Stream>(std::string_view state)>;

  struct ListenOptions {
    // What its sessions are restored by: no two listeners of a Host have the same one. Another than
    // this is declared with Service::kind().
    std::string kind = "session";
    bool independent = false;  // HANDOFF_SESSION_INDEPENDENT for all its sessions
  };

  // Takes the Service's callbacks for sessions. Throws handoff::Exception where somebody has them:
  // a Host beside it, say, whose sessions would be saved and restored by this one.
  Host(uv_loop_t* loop, Service& service) : loop_(loop), service_(service) {
    if (service.has_on_save()) {
      throw Exception(-EEXIST,
                      "this Service has an on_save() already: it takes one Host, with all of its "
                      "listeners, and one more for each lane (Options::lanes, Service::lane())");
    }
    open_set();
    service_.on_save([this](SessionId id) { return save(id); });
    service_.on_restore([this](Adopted a) { adopt(a); });
    service_.on_update([this](Adopted a) { adopt(a); });
    service_.on_drop([this](SessionId id) { forget(id); });
    service_.on_retired([this](std::uint64_t) { retire(); });
    service_.on_stop([this](std::uint64_t deadline_us) { stop(deadline_us); });
    service_.on_late([this](std::uint64_t) { stop_accepting(); });
    service_.on_moved([this](SessionId id) { moved(id); });
    service_.on_freeze_session([this](SessionId id) { freeze(id); });
    service_.on_thaw_session([this](SessionId id) { thaw(id); });
  }
  ~Host() {
    close_set();
    for (auto& [id, stream] : streams_) ::close(stream->fd_);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Before start(). A listener and the kind of session that it accepts; with several lanes the same
  // ones on each, at the address of lane 0. create: a Create; restore:
  // a Restore, best one that returns a final class by its own type: if that has no on_open(),
  // nothing needs to be told to each of its sessions at the switch, however many there are.
  // Throws handoff::Exception, and declares nothing, where another listener has that kind.
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
    claim_kind(name, options.kind);
    if (service_.index() == 0) service_.listener(name, address);
    restores_[options.kind] = {std::forward<MakeAgain>(restore), !opens_silently<Made>()};
    listeners_.push_back(std::make_unique<Listener>(
        Listener{name, std::forward<MakeNew>(create), std::move(options), -1}));
  }

  // Called after the sessions went to an heir (all Streams are gone by then without on_closed()) or
  // a stop is complete: end your own handles here. Without one, uv_stop() is called.
  void on_finished(std::function<void()> f) { finished_ = std::move(f); }
  // Called first when the service is asked to stop. Streams are closed after it.
  void on_stop(std::function<void()> f) { stopping_hook_ = std::move(f); }

  // Restores what comes, and returns as the owner; throws handoff::Exception if it can't be. Then
  // run the loop.
  void start() {
    service_.ready();
    for (auto& listener : listeners_) {
      listener->fd = service_.named_fd(listener->name);
      if (listener->fd < 0) {
        throw Exception(listener->fd, "listener " + listener->name + " was not given");
      }
      set_nonblocking(listener->fd);
      watch_listener(*listener);
    }
    init_handles();
    poll_start(service_poll_, service_.fd(),
               [](uv_poll_t* p, int, int) { static_cast<Host*>(p->data)->on_service(); });
    poll_start(set_poll_, alias_,
               [](uv_poll_t* p, int, int) { static_cast<Host*>(p->data)->on_events(); });
    flush();
  }

  uv_loop_t* loop() const { return loop_; }
  Service& service() const { return service_; }
  std::size_t size() const { return streams_.size(); }
  // nullptr if there is none.
  Stream* find(SessionId id) const {
    const auto it = streams_.find(id);
    return it != streams_.end() && !it->second->dead_ ? it->second.get() : nullptr;
  }
  template <class F>
  void for_each(F&& f) const {
    for (auto& [id, stream] : streams_) {
      if (!stream->dead_) f(*stream);
    }
  }
  // A connection whose client does not read is not read either, once this much output waits.
  static constexpr std::size_t kHighWater = std::size_t{1} << 20;
  // A connection with more unconsumed input than this is closed.
  std::size_t max_input = std::size_t{1} << 30;

 private:
  friend class Stream;
  struct Listener {
    std::string name;
    Create create;
    ListenOptions options;
    int fd;
    bool rests = false;  // not watched for a moment, for want of fds
  };
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  static constexpr int kSlice = 256;            // sockets that a retired donor closes in one turn
  static constexpr std::uint32_t kClosing = 1;  // the session ends when its output is sent

  struct Restorer {
    Restore restore;
    bool opens;  // its on_open() does something
  };
  // Whether on_open() of all objects that a T* can point to is that of Stream. An override that
  // can't be named from here counts as one.
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

  // An heir restores by kind: with one kind for two listeners it would make the sessions of one of
  // them by the function of the other.
  void claim_kind(const std::string& name, const std::string& kind) const {
    for (const auto& other : listeners_) {
      if (other->options.kind != kind) continue;
      throw Exception(-EEXIST, "listener " + name + ": sessions of kind \"" + kind +
                                   "\" are those of listener " + other->name +
                                   ", whose function restores them; give this one a kind of its "
                                   "own: service.kind(\"" +
                                   name + "\", VERSION), and .kind = \"" + name +
                                   "\" in its ListenOptions");
    }
  }
  static std::uint32_t flags_of(const ListenOptions& options) {
    return HANDOFF_SESSION_TRACKED |
           (options.independent ? HANDOFF_SESSION_INDEPENDENT : std::uint32_t{0});
  }
  static void set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
      throw std::system_error(errno, std::generic_category(), "O_NONBLOCK");
    }
  }
  void watch(int op, int fd, std::uint32_t events, std::uint64_t data) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    if (::epoll_ctl(epoll_, op, fd, &event) < 0) {
      throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
  }
  // The set goes into the loop's own epoll while it is empty. To add it there the kernel walks
  // through all that is in it, and uv_poll_t would do that twice, at the switch: some 6 ms for
  // 19,000 sockets. So it is added here, under the number of an eventfd that nothing ever writes to
  // and that a uv_poll_t watches: libuv finds the watcher of an event by that number.
  void open_set() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    alias_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = alias_;
    if (epoll_ >= 0 && alias_ >= 0 &&
        ::epoll_ctl(uv_backend_fd(loop_), EPOLL_CTL_ADD, epoll_, &event) == 0) {
      return;
    }
    const int error = errno;
    close_set();
    throw std::system_error(error, std::generic_category(), "an epoll set for the connections");
  }
  void leave_loop() { ::epoll_ctl(uv_backend_fd(loop_), EPOLL_CTL_DEL, epoll_, nullptr); }
  // After set_poll_ was closed.
  void close_set() {
    if (epoll_ >= 0) {
      leave_loop();
      ::close(epoll_);
    }
    if (alias_ >= 0) ::close(alias_);
    epoll_ = alias_ = -1;
  }
  void poll_start(uv_poll_t& poll, int fd, uv_poll_cb callback) {
    poll.data = this;
    int result = uv_poll_init(loop_, &poll, fd);
    if (result == 0) result = uv_poll_start(&poll, UV_READABLE, callback);
    if (result < 0) throw Exception(result, std::string("uv_poll: ") + uv_strerror(result));
    ++open_handles_;
  }

  void init_handles() {
    uv_idle_init(loop_, &flusher_);
    uv_idle_init(loop_, &closer_);
    uv_timer_init(loop_, &rest_timer_);
    uv_timer_init(loop_, &stop_timer_);
    flusher_.data = closer_.data = rest_timer_.data = stop_timer_.data = this;
    uv_unref(reinterpret_cast<uv_handle_t*>(&rest_timer_));
    open_handles_ += 4;
  }
  // The end of the Host's part in the loop: on_finished() when all of them are closed.
  void close_handles() {
    for (uv_handle_t* handle :
         {reinterpret_cast<uv_handle_t*>(&flusher_), reinterpret_cast<uv_handle_t*>(&closer_),
          reinterpret_cast<uv_handle_t*>(&rest_timer_),
          reinterpret_cast<uv_handle_t*>(&stop_timer_), reinterpret_cast<uv_handle_t*>(&set_poll_),
          reinterpret_cast<uv_handle_t*>(&service_poll_)}) {
      if (!uv_is_closing(handle)) uv_close(handle, &Host::closed);
    }
    close_set();
  }

  // -- the handoff
  Saved save(SessionId id) {
    Stream& s = *streams_.at(id);
    Saved saved(s.save());
    saved.input = s.input_;
    saved.output = s.output_.substr(s.sent_);
    saved.flags = s.closing_ ? kClosing : 0;
    s.touched_ = false;
    return saved;
  }
  // A first state (with the socket) or a newer one: the Stream is made anew from it.
  void adopt(Adopted& a) {
    const auto factory = restores_.find(a.kind());
    if (factory == restores_.end()) {
      throw std::runtime_error("no listener of this release has sessions of kind '" +
                               std::string(a.kind()) + "'");
    }
    auto stream = factory->second.restore(a.state());
    if (!stream) throw std::runtime_error("the session's state was refused");
    stream->host_ = this;
    stream->id_ = a.id();
    stream->inherited_ = true;
    stream->input_ = a.input();
    stream->output_ = a.output();
    stream->closing_ = (a.flags() & kClosing) != 0;
    // Nothing from here to the slot's Stream fails: without memory, the session is not here at all.
    auto& slot = streams_[a.id()];
    const bool fresh = slot == nullptr;
    stream->fd_ = fresh ? a.take_fd() : slot->fd_;
    stream->opening_ = fresh ? kNowhere : slot->opening_;
    slot = std::move(stream);
    Stream& s = *slot;
    if (fresh) service_.session_touch(a.id());  // from now on it says when it changes
    if (s.opening_ != kNowhere) {
      opening_[s.opening_] = &s;
    } else if (fresh && factory->second.opens) {
      s.opening_ = opening_.size();
      opening_.push_back(&s);
    }
    // Input that came along may be a whole request; output is to be sent.
    if (!s.input_.empty() || !s.output_.empty() || s.closing_ || s.paused_) {
      adopted_.push_back(s.id_);
    }
    // One that comes late, to a loop that turns: thaw() says when it may be touched.
    s.frozen_ = service_.state() != State::kHeir;
    s.saved_output_ = s.output_.size();
    if (s.frozen_) return;
    s.watched_ = EPOLLIN;
    if (!s.output_.empty()) s.watched_ |= EPOLLOUT;
    watch(fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s.fd_, s.watched_,
          reinterpret_cast<std::uintptr_t>(slot.get()));
  }
  // An heir's session that is not to be. The description is the donor's as well: only close. Or one
  // that was waited for in vain: that one ends.
  void forget(SessionId id) {
    const auto it = streams_.find(id);
    if (it == streams_.end()) return;
    let_go_of(*it->second);
    if (service_.state() == State::kLate) it->second->on_closed();
    streams_.erase(id);
  }
  void let_go_of(Stream& s) {
    if (s.opening_ != kNowhere) opening_[s.opening_] = nullptr;
    s.dead_ = true;
    s.closing_ = true;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, s.fd_, nullptr);
    ::close(s.fd_);
    s.fd_ = -1;
  }
  // -- sessions that were held
  void stop_accepting() {
    for (auto& listener : listeners_) {
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener->fd, nullptr);
      listener->fd = -1;
      listener->rests = false;
    }
  }
  void moved(SessionId id) {
    const auto it = streams_.find(id);
    if (it == streams_.end()) return;
    Stream& s = *it->second;
    if (s.frozen_ && s.output_size() > s.saved_output_) {
      detail::complain("what was written to session " + std::to_string(id) +
                       " while it was on its way is lost");
    }
    let_go_of(s);
    streams_.erase(it);
  }
  void freeze(SessionId id) {
    Stream& s = *streams_.at(id);
    s.frozen_ = true;
    s.saved_output_ = s.output_size();
    s.watched_ = 0;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, s.fd_, nullptr);
  }
  // Ours: again, or from now on; then announce_adopted() says so to the Stream.
  void thaw(SessionId id) {
    Stream& s = *streams_.at(id);
    s.frozen_ = false;
    s.watched_ = EPOLLIN;
    watch(EPOLL_CTL_ADD, s.fd_, s.watched_, reinterpret_cast<std::uintptr_t>(&s));
    thawed_.push_back(id);
    enqueue(s);
  }
  // Nothing is read or sent any more.
  bool over() const { return retired_ || epoll_ < 0; }
  // The sockets are the heir's, and the loop hears of them no more. They are closed in slices, and
  // only when nobody else wants the processor. (Pauses between the slices would be worse: to the
  // scheduler this thread would look as important as the heir's, for longer.)
  void retire() {
    finishing_ = retired_ = true;
    leave_loop();
    // This thread has nothing to do any more that somebody waits for (sched_setscheduler(2): of one
    // thread, on Linux; to give way takes no privilege). A processor on which only such a thread
    // runs is as good as idle to the scheduler: whoever wakes up may have it, the heir above all.
    const sched_param none{};
    (void)::sched_setscheduler(0, SCHED_IDLE, &none);
    uv_idle_start(&closer_, [](uv_idle_t* idle) { static_cast<Host*>(idle->data)->close_some(); });
  }
  // The set first: a registration belongs to the description, which lives on over there. To close
  // the set is one long system call, and a quarter less work than to take each out of it.
  void close_some() {
    if (epoll_ >= 0) {
      ::close(std::exchange(epoll_, -1));
      return;
    }
    for (int n = 0; n < kSlice && !streams_.empty(); ++n) {
      const auto it = streams_.begin();
      ::close(it->second->fd_);
      streams_.erase(it);
    }
    if (streams_.empty()) close_handles();
  }
  void stop(std::uint64_t deadline_us) {
    if (finishing_) return;
    finishing_ = true;
    stopping_ = true;
    for (auto& listener : listeners_) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener->fd, nullptr);
    if (stopping_hook_) stopping_hook_();
    for_each([](Stream& s) { s.close(); });
    // Clients that don't read get nine tenths of the time that there is.
    const std::uint64_t now_us = uv_hrtime() / 1000;
    const std::uint64_t left_ms = deadline_us > now_us ? (deadline_us - now_us) / 1000 * 9 / 10 : 0;
    uv_timer_start(
        &stop_timer_, [](uv_timer_t* t) { static_cast<Host*>(t->data)->end_all(); }, left_ms, 0);
    flush();
  }
  void end_all() {
    for_each([this](Stream& s) {
      if (!s.frozen_) end(s);
    });
    flush();
  }
  static void closed(uv_handle_t* handle) {
    Host& self = *static_cast<Host*>(handle->data);
    if (--self.open_handles_ > 0) return;
    if (self.finished_) {
      self.finished_();
    } else {
      uv_stop(self.loop_);
    }
  }

  // -- events
  void on_service() {
    try {
      service_.dispatch();
    } catch (const std::exception& e) {
      detail::complain(e.what());
    }
    if (!over()) flush();
  }
  void on_events() {
    if (over()) return;  // the handoff ended in this very turn, and the set was ready in it, too
    // In the loop's first turn the supervisor hears that it turns, and not only after a batch of
    // requests, all of which have waited for that.
    if (!std::exchange(turned_, true)) on_service();
    if (over()) return;
    std::array<epoll_event, 256> events;
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    in_batch_ = true;
    for (int i = 0; i < n; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
      if ((data & 1) != 0) {
        accept_from(*reinterpret_cast<Listener*>(data & ~std::uint64_t{1}));
        continue;
      }
      auto& s = *reinterpret_cast<Stream*>(data);  // alive: streams are destroyed after the batch
      if (s.dead_) continue;
      if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_from(s);
      if (!s.dead_ && (what & EPOLLOUT) != 0) enqueue(s);
    }
    in_batch_ = false;
    flush();
  }
  void accept_from(Listener& listener) {
    for (int n = 0; n < 64; ++n) {
      const int fd = ::accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        // EMFILE and friends: the connection waits in the queue. Level-triggered epoll would spin
        // on it, so the listener rests for a moment.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          rest(listener);
        }
        return;
      }
      auto stream = admit(listener, fd);
      if (!stream) {
        ::close(fd);
        continue;
      }
      Stream& s = *stream;
      streams_[s.id_] = std::move(stream);
      s.on_open(false);
    }
  }
  // nullptr, and a word about it, if the service or the system can't have one more.
  std::unique_ptr<Stream> admit(Listener& listener, int fd) {
    SessionId id = 0;
    try {
      auto stream = listener.create();
      id = service_.session_open(fd, flags_of(listener.options), listener.options.kind.c_str());
      stream->host_ = this;
      stream->fd_ = fd;
      stream->id_ = id;
      stream->watched_ = EPOLLIN;
      watch(EPOLL_CTL_ADD, fd, EPOLLIN, reinterpret_cast<std::uintptr_t>(stream.get()));
      return stream;
    } catch (const std::exception& e) {
      detail::complain(std::string("a new connection was closed: ") + e.what());
      if (id != 0) service_.session_closed(id);
      return nullptr;
    }
  }
  void rest(Listener& listener) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.fd, nullptr);
    listener.rests = true;
    uv_timer_start(
        &rest_timer_, [](uv_timer_t* t) { static_cast<Host*>(t->data)->wake_listeners(); }, 100, 0);
  }
  void wake_listeners() {
    for (auto& listener : listeners_) {
      if (!listener->rests || epoll_ < 0 || finishing_) continue;
      listener->rests = false;
      watch_listener(*listener);
    }
  }
  // Streams and listeners share the set; the lowest bit of the address tells them apart.
  void watch_listener(Listener& listener) {
    // Not every loop need wake up for a connection.
    const std::uint32_t events = service_.lanes() > 1 ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN;
    watch(EPOLL_CTL_ADD, listener.fd, events, reinterpret_cast<std::uintptr_t>(&listener) | 1);
  }
  void read_from(Stream& s) {
    if (s.closing_) {
      // Only errors and hang-ups matter now.
      char byte = 0;
      const ssize_t n = ::recv(s.fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN && errno != EINTR) end(s);
      return;
    }
    const ssize_t n = ::recv(s.fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0) {
      if (errno != EAGAIN && errno != EINTR) end(s);
      return;
    }
    touch(s);
    if (n == 0) {  // what was asked for is still answered
      s.close();
      return;
    }
    const std::string_view fresh(buffer_.data(), static_cast<std::size_t>(n));
    if (s.input_.empty()) {
      const std::size_t used = s.paused_ ? 0 : s.on_input(fresh);
      if (!s.dead_ && used < fresh.size()) s.input_.append(fresh.substr(used));
    } else {
      s.input_.append(fresh);
      consume(s);
    }
    if (s.input_.size() > max_input) end(s);
    if (!s.dead_) enqueue(s);  // the events asked for may have to change
  }
  void consume(Stream& s) {
    if (s.input_.empty() || s.closing_ || s.dead_ || s.paused_ || s.frozen_) return;
    const std::size_t used = s.on_input(s.input_);
    if (used == 0 || s.dead_) return;
    touch(s);
    s.input_.erase(0, used);
    if (s.input_.empty() && s.input_.capacity() > 65536) s.input_.shrink_to_fit();
  }
  void touch(Stream& s) {
    // The sessions of a retired donor are not its own any more; its timers may not know that yet.
    if (s.touched_ || finishing_) return;
    s.touched_ = true;
    service_.session_touch(s.id_);
  }
  void enqueue(Stream& s) {
    if (s.queued_ || s.dead_) return;
    s.queued_ = true;
    pending_.push_back(s.id_);
    if (!in_batch_ && !flushing_) schedule();
  }
  // Outside a batch of events (a timer of the service, say): send soon, from the loop.
  void schedule() {
    if (over()) return;
    uv_idle_start(&flusher_, [](uv_idle_t* idle) {
      uv_idle_stop(idle);
      Host& self = *static_cast<Host*>(idle->data);
      if (!self.over()) self.flush();
    });
  }
  // Sends what the batch produced, adjusts what is watched, destroys what has ended.
  void flush() {
    flushing_ = true;
    announce_adopted();
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      const auto it = streams_.find(pending_[i]);
      if (it == streams_.end()) continue;
      Stream& s = *it->second;
      s.queued_ = false;
      if (s.frozen_) continue;  // thaw() comes by here
      if (!s.dead_) send_from(s);
      if (!s.dead_) rewatch(s);
    }
    pending_.clear();
    for (std::size_t i = 0; i < ended_.size(); ++i) {
      const auto it = streams_.find(ended_[i]);
      if (it == streams_.end()) continue;
      it->second->on_closed();
      streams_.erase(ended_[i]);
    }
    ended_.clear();
    flushing_ = false;
    if (!pending_.empty()) schedule();
    if (stopping_ && streams_.empty()) {
      stopping_ = false;
      close_handles();
    }
  }
  // After the switch: streams may act, and input that came along may already be a whole request. It
  // is not looked at before every stream has been told: a request may concern another session.
  void announce_adopted() {
    if (service_.state() == State::kHeir) return;
    if (adopted_.empty() && thawed_.empty() && opening_.empty()) return;
    for (Stream* s : std::exchange(opening_, {})) {
      if (s == nullptr) continue;
      s->opening_ = kNowhere;
      if (s->frozen_) {
        s->opening_ = opening_.size();
        opening_.push_back(s);
      } else if (!s->dead_) {
        s->on_open(true);
      }
    }
    std::vector<SessionId> ready = std::exchange(thawed_, {});
    for (const SessionId id : std::exchange(adopted_, {})) ready.push_back(id);
    for (const SessionId id : ready) {
      Stream* s = find(id);
      if (s == nullptr || s->frozen_) continue;  // thaw() brings it back
      consume(*s);
      enqueue(*s);
    }
  }
  void send_from(Stream& s) {
    while (s.sent_ < s.output_.size()) {
      const ssize_t n = ::send(s.fd_, s.output_.data() + s.sent_, s.output_.size() - s.sent_,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) end(s);
        break;
      }
      s.sent_ += static_cast<std::size_t>(n);
      touch(s);
    }
    if (s.sent_ == s.output_.size()) {
      s.output_.clear();
      s.sent_ = 0;
      if (s.output_.capacity() > 65536) s.output_.shrink_to_fit();
      if (s.closing_) end(s);
    } else if (s.sent_ > (std::size_t{1} << 20)) {
      s.output_.erase(0, s.sent_);
      s.sent_ = 0;
    }
  }
  void rewatch(Stream& s) {
    std::uint32_t wanted = 0;
    if (s.output_size() > 0) wanted |= EPOLLOUT;
    if (!s.closing_ && !s.paused_ && s.output_size() < kHighWater) wanted |= EPOLLIN;
    if (wanted == s.watched_) return;
    s.watched_ = wanted;
    watch(EPOLL_CTL_MOD, s.fd_, wanted, reinterpret_cast<std::uintptr_t>(&s));
  }
  void end(Stream& s) {
    if (s.dead_) return;
    s.dead_ = true;
    s.closing_ = true;
    service_.session_closed(s.id_);
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, s.fd_, nullptr);
    // close() would tell the client nothing until the donor has closed its own, too.
    if (s.inherited_) ::shutdown(s.fd_, SHUT_RDWR);
    ::close(s.fd_);
    s.fd_ = -1;
    ended_.push_back(s.id_);
    if (!in_batch_ && !flushing_) schedule();
  }

  uv_loop_t* loop_;
  Service& service_;
  int epoll_ = -1;
  int alias_ = -1;  // see open_set()
  uv_poll_t service_poll_{};
  uv_poll_t set_poll_{};
  uv_idle_t flusher_{};      // sends what was written outside a batch of events
  uv_idle_t closer_{};       // closes the sockets of a retired donor
  uv_timer_t rest_timer_{};  // until listeners without fds to accept with are tried again
  uv_timer_t stop_timer_{};  // until clients that don't read are cut off
  int open_handles_ = 0;
  bool turned_ = false;  // the loop has
  bool in_batch_ = false;
  bool flushing_ = false;
  bool finishing_ = false;
  bool retired_ = false;  // the streams are the heir's
  bool stopping_ = false;
  std::array<char, 65536> buffer_{};
  std::unordered_map<SessionId, std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::string, Restorer, std::less<>> restores_;
  std::vector<SessionId> pending_;  // to flush
  std::vector<SessionId> ended_;    // to destroy
  std::vector<Stream*> opening_;    // restored, on_open() not called yet; nullptr: ended before it
  std::vector<SessionId> adopted_;  // restored with something to do
  std::vector<SessionId> thawed_;   // their input is to be looked at
  std::function<void()> finished_, stopping_hook_;
};

inline void Stream::write(std::string_view bytes) {
  if (closing_ || bytes.empty()) return;
  output_.append(bytes);
  host_->touch(*this);
  host_->enqueue(*this);
}
inline void Stream::close() {
  if (closing_) return;
  closing_ = true;
  host_->touch(*this);
  host_->enqueue(*this);
}
inline void Stream::hold() {
  if (held_ || closing_) return;
  held_ = true;
  host_->service_.session_hold(id_);
}
inline void Stream::release() {
  if (!held_ || dead_) return;
  held_ = false;
  host_->service_.session_release(id_);
}
inline void Stream::changed() { host_->touch(*this); }
inline void Stream::pause() {
  paused_ = true;
  if (host_ != nullptr) host_->enqueue(*this);  // in a constructor there is nothing to change yet
}
inline void Stream::resume() {
  paused_ = false;
  host_->consume(*this);
  host_->enqueue(*this);
}

}  // namespace handoff::uv

#endif  // HANDOFF_UV_HPP
