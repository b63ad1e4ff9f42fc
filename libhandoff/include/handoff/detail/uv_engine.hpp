// What a Host is made of: the part of uv.hpp that its users need not read. The functions are in the
// headers that uv.hpp includes at its end.
#ifndef HANDOFF_DETAIL_UV_ENGINE_HPP
#define HANDOFF_DETAIL_UV_ENGINE_HPP

#include <handoff/detail/ending.hpp>
#include <handoff/detail/session_record.hpp>
#include <handoff/detail/uv_connection.hpp>
#include <handoff/detail/uv_linger.hpp>
#include <handoff/detail/uv_listening.hpp>
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
#include <unordered_map>
#include <utility>
#include <vector>

namespace handoff::uv {

class Engine : detail::Ending<Engine, Stream> {
 public:
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

 private:
  friend class Host;
  friend class Stream;
  friend class Pair;
  friend class detail::Ending<Engine, Stream>;
  Engine(uv_loop_t* loop, Service& service);
  ~Engine();

  static constexpr std::size_t kHighWater = std::size_t{1} << 20;
  static constexpr std::size_t kSmallOutput = 65536;
  std::size_t max_input = std::size_t{16} << 20;

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
  using Record = detail::SessionRecord;
  static constexpr std::uint64_t kSecond = std::uint64_t{1} << 63;  // of a key in pending_

  struct Restorer {
    Restore restore;
    bool opens;  // its on_open() does something
  };
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
  static Saved save_fresh(const Stream& s);
  void adopt(Adopted& a);
  void extend(Adopted& a);
  std::unique_ptr<Stream> make_again(Adopted& a, bool& opens);
  std::unique_ptr<Stream> make_fresh(Adopted& a, bool& opens);
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
  void unwatch(Stream& s);
  void tell_end(Stream& s);
  Stream* by_key(std::uint64_t key) const;
  // One that is not over, or nullptr.
  Stream* live(SessionId id) const {
    const auto it = streams_.find(id);
    return it != streams_.end() && !it->second->dead_ ? it->second.get() : nullptr;
  }
  template <class F>
  void each_live(F&& f) const {
    for (auto& [id, stream] : streams_) {
      if (!stream->dead_) f(*stream);
    }
  }
  void rest(Listener& listener);
  void wake_listeners();
  void watch_listener(Listener& listener);
  void read_from(Stream& s);
  void consume(Stream& s);
  void touch(Stream& s);
  void touch_sent(Stream& s);
  void enqueue(Stream& s);
  void schedule();
  void flush();
  void announce_adopted();
  void send_from(Stream& s);
  void trim(Stream& s);
  void give_room_back(std::string& output);
  void take_room(std::string& output, std::size_t more);
  void rewatch(Stream& s);
  void overflow(Stream& s);
  // -- how connections end (detail/ending.hpp, detail/uv_end.hpp)
  bool stops() const { return finishing_; }
  void leave(Stream& s);
  // -- detail/uv_deadline.hpp
  void set_deadline(Stream& s, std::uint64_t at_ms);
  void time_deadlines();
  void meet_deadlines();
  void let_linger(int fd);
  // -- detail/uv_vault.hpp
  int accept(const Listener& listener) const;
  void begin_fresh(Stream& s);
  void unstored(Stream& any);
  ssize_t receive(Stream& s, const char** data);
  void commit();
  void commit_so_far();
  void commit_all();
  void dispose(int fd, detail::SocketEnd how);
  void end_socket(int fd, detail::SocketEnd how);
  void tell_ended();
  void bury();
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
  std::array<std::string, 4> spares_;  // see uv_room.hpp
  std::size_t spare_count_ = 0;
  std::unordered_map<SessionId, std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<std::string, Restorer, std::less<>> restores_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> deadlines_;  // times and keys of Streams
  std::vector<std::uint64_t> pending_;                           // keys of Streams to flush
  std::vector<SessionId> ended_;                                 // to destroy
  std::size_t told_ = 0;                // of ended_, so many have had on_closed()
  bool kept_ = false;                   // in a vault
  std::vector<SessionId> unstored_;     // that the next commit puts
  std::vector<detail::Doomed> doomed_;  // sockets that end after it
  std::vector<Stream*> opening_;    // restored, on_open() not called yet; nullptr: ended before it
  std::vector<SessionId> adopted_;  // restored with something to do
  std::vector<SessionId> thawed_;   // whose input is to be looked at
  std::function<void()> finished_, stopping_hook_, retired_hook_;
  std::function<void(std::uint64_t)> late_hook_;
};

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_ENGINE_HPP
