// handoff.hpp: the C++20 layer over handoff.h, header-only.
//
// The order of calls, threads and re-entrancy are those of handoff.h; a function without a comment
// does what the C function of its name does. This layer adds RAII, callbacks as std::function, and
// errors as exceptions: a function that the service calls throws handoff::Exception.
//
// Put all of main() into handoff::run(): an heir whose handoff is given up leaves by an exception.
//
// An exception thrown by one of the service's callbacks never crosses the C boundary. It fails the
// handoff, and its text is the reason that the operator sees. Some callbacks come when nothing can
// fail any more: drop, thaw, retired, stop, those for held sessions, a section's end and reset, a
// region's reset. What they throw goes to the log.
#ifndef HANDOFF_HANDOFF_HPP
#define HANDOFF_HANDOFF_HPP

#include <handoff/handoff.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace handoff {

using SessionId = std::uint64_t;

// A failed call: code() is what the C function returned.
class Exception : public std::runtime_error {
 public:
  Exception(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

enum class State {
  kDeclaring = HANDOFF_STATE_DECLARING,
  kHeir = HANDOFF_STATE_HEIR,
  kOwner = HANDOFF_STATE_OWNER,
  kDonor = HANDOFF_STATE_DONOR,
  kRetired = HANDOFF_STATE_RETIRED,
  kFailed = HANDOFF_STATE_FAILED,
  kLate = HANDOFF_STATE_LATE,
};

namespace detail {
// False if whoever reads stderr has stopped reading, and the line would have to wait for that. One
// pipe has many writers, so that there was room a moment ago means little (RWF_NOWAIT).
inline bool put_on_stderr(std::string_view line) {
  struct stat found {};
  if (::fstat(STDERR_FILENO, &found) < 0) return true;  // there is none
  ssize_t n = 0;
  if (S_ISSOCK(found.st_mode)) {
    n = ::send(STDERR_FILENO, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return n >= 0 || errno != EAGAIN;
  }
  const bool may_stall = S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode);
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (may_stall && ::poll(&room, 1, 0) == 0) return false;
  if (S_ISFIFO(found.st_mode)) {
    const iovec part{const_cast<char*>(line.data()), line.size()};
    n = ::pwritev2(STDERR_FILENO, &part, 1, -1, RWF_NOWAIT);
    if (n >= 0) return true;
    if (errno == EAGAIN) return false;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL) return true;  // nobody is left
  }
  n = ::write(STDERR_FILENO, line.data(), line.size());
  return n >= 0 || errno != EAGAIN;
}

// Prints a line on stderr, unless that would have to wait: a service must not stand still because
// nobody reads its log. The next line tells how many were left out. A reader may also have died, as
// with `handoff run 2>&1 | logger`, and SIGPIPE must not end a service that outlives its
// supervisor. So the signal is blocked and taken.
inline void complain(std::string_view text, const std::string& who = "handoff") {
  static std::atomic<unsigned> left_out{0};
  sigset_t pipe;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  if (pthread_sigmask(SIG_BLOCK, &pipe, &before) != 0) return;
  const bool was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  const unsigned lost = left_out.exchange(0);
  std::string line;
  if (lost > 0) {
    line = who + ": " + std::to_string(lost) + " lines were left out: nobody read them in time\n";
  }
  // A pipe takes as much as this as a whole or not at all.
  constexpr std::size_t kWhole = 4096;
  line += who + ": ";
  std::size_t room = kWhole - std::min(line.size() + 1, kWhole);
  while (room > 0 && room < text.size() && (text[room] & 0xc0) == 0x80)
    --room;  // no half character
  line += text.substr(0, room);
  line += '\n';
  if (!put_on_stderr(line)) left_out += lost + 1;
  const timespec at_once{};
  if (!was_pending) (void)sigtimedwait(&pipe, nullptr, &at_once);
  (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
}
}  // namespace detail

struct Options {
  std::string name;
  std::string version;
  std::uint32_t state_version = 1;
  // level is HANDOFF_LOG_*. Empty: warnings and errors go to stderr. With several lanes any lane's
  // thread may call it.
  std::function<void(int level, std::string_view message)> log = {};
  // Event loops, each with sessions of its own: Service::lane().
  std::uint32_t lanes = 1;
  // Sessions outlive this process, where the configuration says so, too: handoff/vault.h.
  bool vault = false;
};

// A session as it comes from the donor. Its views are valid during the callback that gets it.
class Adopted {
 public:
  explicit Adopted(const handoff_adopted& raw, handoff_t* h = nullptr) : raw_(raw), h_(h) {}

  SessionId id() const { return raw_.id; }
  std::string_view kind() const { return raw_.kind; }
  // The socket, which the caller owns from now on; -1 in an update, and from the second call on.
  int take_fd() { return std::exchange(raw_.fd, -1); }
  // The fd of that name, which the caller owns from now on; negative if there is none to be taken.
  // See handoff_take_fd().
  int take_fd(const char* name) { return handoff_take_fd(h_, raw_.id, name); }
  // The names of all fds that the session has beside its socket.
  std::span<const char* const> fd_names() const { return {raw_.fd_names, raw_.fd_count}; }
  std::string_view state() const { return view(raw_.state, raw_.state_length); }
  std::string_view input() const { return view(raw_.input, raw_.input_length); }
  std::string_view output() const { return view(raw_.output, raw_.output_length); }
  std::uint32_t flags() const { return raw_.flags; }
  // See handoff_save_layer().
  std::string_view layer() const { return view(raw_.layer, raw_.layer_length); }
  // In on_extend() alone: so many bytes at the front of what the session has are over, and input()
  // (output()) goes behind the rest.
  std::size_t input_dropped() const { return static_cast<std::size_t>(raw_.input_dropped); }
  std::size_t output_dropped() const { return static_cast<std::size_t>(raw_.output_dropped); }

 private:
  static std::string_view view(const void* data, std::size_t length) {
    return {static_cast<const char*>(data), length};
  }
  handoff_adopted raw_;
  handoff_t* h_;
};

// Bytes of a session's input or output and the position of the first of them in the stream.
// handoff_save_input_at() says what a position must be.
struct Stretch {
  std::uint64_t position = 0;
  std::string_view bytes;  // valid until on_save() is called again
};

// What a session saves: state, and optionally input not yet parsed and output not yet sent.
struct Saved {
  std::string state;
  std::string input = {};
  std::string output = {};
  std::uint32_t flags = 0;  // see handoff_save_flags()
  std::string layer = {};   // see handoff_save_layer(); wiped once the library has it
  // In place of input and output: what the heir has of them is not sent again.
  std::optional<Stretch> input_at = {};
  std::optional<Stretch> output_at = {};
  Saved() = default;
  Saved(std::string bytes) : state(std::move(bytes)) {}  // a plain state is the usual case
};

enum class Phase {
  kSnapshot = HANDOFF_PHASE_SNAPSHOT,
  kChanges = HANDOFF_PHASE_CHANGES,
  kFinal = HANDOFF_PHASE_FINAL,
};

// Service-wide state as a sequence of records of any size: this layer packs small ones and splits
// large ones. Derive from it. An exception fails the handoff, but for end() and reset(), where it
// goes to the log.
class Section {
 public:
  virtual ~Section() = default;
  // Donor. handoff_section_ops says when each is called.
  virtual void begin(std::uint32_t version) = 0;
  // Replaces record (empty when called) with the next one; false: nothing more for now.
  virtual bool next(Phase phase, std::string& record) = 0;
  virtual void end(bool moved) = 0;
  // Heir. record is valid during the call; a donor wrote it, so check what you parse.
  virtual void apply(std::uint32_t version, std::string_view record) = 0;
  virtual void finish() {}
  virtual void reset() = 0;
};

// Shared memory that changes hands without a copy; handoff_region_ops says what may lie in it.
// Service::region() makes one. Copies are the same region, valid as long as the Service is there.
class Region {
 public:
  // All of the region; empty where handoff_region_data() is NULL. Each call looks the region up by
  // name: keep the span where time counts, but not beyond grow().
  std::span<std::byte> bytes() const {
    return {static_cast<std::byte*>(handoff_region_data(h_, name_.c_str())),
            handoff_region_size(h_, name_.c_str())};
  }
  // Makes the region at least size bytes long, where it is: pointers into it stay good.
  void grow(std::size_t size) const { check(handoff_region_grow(h_, name_.c_str(), size)); }
  std::uint32_t version() const { return handoff_region_version(h_, name_.c_str()); }
  void set_version(std::uint32_t version) const {
    check(handoff_region_set_version(h_, name_.c_str(), version));
  }
  bool adopted() const { return handoff_region_adopted(h_, name_.c_str()) != 0; }

 private:
  friend class Service;
  Region(handoff_t* h, std::string name) : h_(h), name_(std::move(name)) {}
  void check(int result) const {
    if (result < 0) throw Exception(result, handoff_last_error(h_));
  }
  handoff_t* h_;
  std::string name_;
};

namespace detail {

inline void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// Cuts records into chunks, and RecordReader puts them together again. A record is a varint with
// the length and then the bytes; a chunk may end anywhere in it.
class RecordWriter {
 public:
  // Copies as much as fits of the record that waits; the rest waits for the next chunk.
  std::size_t fill(char* chunk, std::size_t capacity) {
    const std::size_t n = std::min(capacity, pending_.size() - offset_);
    if (n > 0) std::memcpy(chunk, pending_.data() + offset_, n);
    offset_ += n;
    if (offset_ == pending_.size()) clear();
    return n;
  }
  bool empty() const { return pending_.empty(); }
  void put(std::string record) {
    pending_.clear();
    put_varint(pending_, record.size());
    if (pending_.capacity() < record.size()) {
      // A large record is moved, not copied: its length goes in front of it.
      record.insert(0, pending_);
      pending_ = std::move(record);
    } else {
      pending_ += record;
    }
    offset_ = 0;
  }
  void clear() {
    pending_.clear();
    offset_ = 0;
    if (pending_.capacity() > HANDOFF_CHUNK_MAX) pending_.shrink_to_fit();
  }

 private:
  std::string pending_;
  std::size_t offset_ = 0;
};

class RecordReader {
 public:
  // Calls on_record for every record that is complete; throws on a length that can't be.
  template <class F>
  void feed(std::string_view chunk, F&& on_record) {
    while (!chunk.empty()) {
      if (!in_body_) {
        const auto byte = static_cast<unsigned char>(chunk.front());
        chunk.remove_prefix(1);
        if (shift_ > 56) throw std::runtime_error("section: a record's length is malformed");
        length_ |= static_cast<std::uint64_t>(byte & 0x7f) << shift_;
        shift_ += 7;
        if ((byte & 0x80) != 0) continue;
        in_body_ = true;
        if (length_ == 0) {
          on_record(std::string_view());
          next();
          continue;
        }
        if (chunk.empty()) break;
      }
      if (partial_.empty() && chunk.size() >= length_) {  // all of it is here: no copy
        on_record(chunk.substr(0, length_));
        chunk.remove_prefix(length_);
        next();
        continue;
      }
      const std::size_t n = std::min<std::size_t>(length_ - partial_.size(), chunk.size());
      partial_.append(chunk.substr(0, n));
      chunk.remove_prefix(n);
      if (partial_.size() == length_) {
        on_record(std::string_view(partial_));
        next();
      }
    }
  }
  bool between_records() const { return !in_body_ && shift_ == 0; }

 private:
  void next() {
    in_body_ = false;
    length_ = 0;
    shift_ = 0;
    partial_.clear();
    if (partial_.capacity() > HANDOFF_CHUNK_MAX) partial_.shrink_to_fit();
  }
  std::string partial_;
  std::uint64_t length_ = 0;
  unsigned shift_ = 0;
  bool in_body_ = false;
};

}  // namespace detail

// The service of this process, and its lane 0. Not movable: the C handle keeps its address.
//
// With several event loops (Options::lanes) each has a Service of its own, lane(i), which belongs
// to that loop's thread. Declare on the service itself, and set the callbacks on each lane. Then
// comes start(), and on each lane's thread wait() and the loop:
//
//   service->start();
//   std::thread second([&] { service->lane(1).wait(); run_loop_of(1); });
//   service->wait();
//   run_loop_of(0);
//   second.join();
class Service {
 public:
  using Convert = std::function<std::string(std::string_view)>;

  static std::unique_ptr<Service> open(Options options) {
    return std::unique_ptr<Service>(new Service(std::move(options)));
  }
  ~Service() {
    if (index_ == 0) handoff_close(h_);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // -- lanes; see handoff_lane()
  std::uint32_t lanes() const { return lane_count_; }
  // The number of this lane.
  std::uint32_t index() const { return index_; }
  // Only of the service itself, which owns it; throws std::out_of_range unless i is below lanes().
  Service& lane(std::uint32_t i) { return i == 0 ? *this : *others_.at(i - 1); }

  // -- declaring
  void listener(const std::string& name, const std::string& address) {
    check(handoff_listener(h_, name.c_str(), address.c_str()));
  }
  // What may be declared as a listener, in a process that has a supervisor.
  struct Offer {
    std::string name;
    std::string address;
  };
  std::vector<Offer> offered() const {
    std::vector<Offer> out;
    const char* name = nullptr;
    const char* address = nullptr;
    while (handoff_offered(h_, out.size(), &name, &address) > 0) out.push_back({name, address});
    return out;
  }
  // close: nor is the supervisor to keep it; see handoff_give_back().
  void give_back(const std::string& name, bool close = false) {
    check(handoff_give_back(h_, name.c_str(), close ? HANDOFF_GIVE_BACK_CLOSE : 0));
  }
  void claim(const std::string& name) { check(handoff_claim(h_, name.c_str())); }
  void kind(const std::string& name, std::uint32_t version) {
    check(handoff_kind(h_, name.c_str(), version));
  }
  // Its sessions have no state. Where that is so of all kinds, no on_save() is needed.
  void stateless(const std::string& kind = "session") {
    check(handoff_stateless(h_, kind.c_str()));
    stateless_ = true;
  }
  // Its sessions are saved in the freeze alone.
  void no_snapshots(const std::string& kind = "session") {
    check(handoff_no_snapshots(h_, kind.c_str()));
  }
  void listener_kind(const std::string& listener) {
    check(handoff_listener_kind(h_, listener.c_str()));
  }
  // 0 for a kind that was not declared.
  std::uint32_t kind_version(const std::string& kind) const {
    return handoff_kind_version(h_, kind.c_str());
  }
  // One step up: to is from + 1. The function gets a state of the kind and returns the new one.
  // With several lanes any lane's thread may call it, several at once.
  void on_upgrade_state(std::uint32_t from, std::uint32_t to, Convert convert,
                        const std::string& kind = "session") {
    step(kind, from, to, std::move(convert));
  }
  // One step down, likewise: to is from - 1.
  void on_downgrade_state(std::uint32_t from, std::uint32_t to, Convert convert,
                          const std::string& kind = "session") {
    step(kind, from, to, std::move(convert));
  }
  // The steps that were declared; for tests of them (testing.hpp).
  struct StateStep {
    std::string kind;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    Convert convert;
  };
  std::vector<StateStep> state_steps() const {
    std::vector<StateStep> out;
    out.reserve(steps_.size());
    for (const auto& step : steps_) out.push_back(step->declared);
    return out;
  }
  // Borrows section, which must outlive this object. reads and writes are versions, as for
  // handoff_section().
  void section(const std::string& name, Section& section, std::vector<std::uint32_t> reads,
               std::vector<std::uint32_t> writes) {
    auto adapter = std::make_unique<SectionAdapter>(SectionAdapter{this, &section, {}, {}});
    handoff_section_ops ops{};
    ops.size = sizeof ops;
    ops.begin = &SectionAdapter::begin;
    ops.read = &SectionAdapter::read;
    ops.end = &SectionAdapter::end;
    ops.write = &SectionAdapter::write;
    ops.finish = &SectionAdapter::finish;
    ops.reset = &SectionAdapter::reset;
    check(handoff_section(h_, name.c_str(), reads.data(), reads.size(), writes.data(),
                          writes.size(), &ops, adapter.get()));
    sections_.push_back(std::move(adapter));
  }
  // A blob: see handoff_blob(). What either function throws fails the handoff.
  void blob(const std::string& name, std::function<std::string()> save,
            std::function<void(std::string_view)> load) {
    auto adapter =
        std::make_unique<BlobAdapter>(BlobAdapter{this, std::move(save), std::move(load)});
    check(handoff_blob(h_, name.c_str(), &BlobAdapter::saved, &BlobAdapter::loaded, adapter.get()));
    blobs_.push_back(std::move(adapter));
  }
  // A region of at most max_size bytes; reads and version as for handoff_region(). adopt may throw,
  // which rejects the handoff. reset is called where the region starts empty, although the donor
  // had one.
  using AdoptRegion = std::function<void(std::uint32_t version, std::span<const std::byte> bytes)>;
  Region region(const std::string& name, const std::vector<std::uint32_t>& reads,
                std::uint32_t version, std::size_t max_size, AdoptRegion adopt = {},
                std::function<void()> reset = {}) {
    auto adapter =
        std::make_unique<RegionAdapter>(RegionAdapter{this, std::move(adopt), std::move(reset)});
    handoff_region_ops ops{};
    ops.size = sizeof ops;
    ops.adopt = &RegionAdapter::adopted;
    ops.reset = &RegionAdapter::emptied;
    check(handoff_region(h_, name.c_str(), reads.data(), reads.size(), version, max_size, &ops,
                         adapter.get()));
    regions_.push_back(std::move(adapter));
    return Region(h_, name);
  }
  // The callbacks of this lane, before start(); handoff_callbacks says when each is called.
  void on_save(std::function<Saved(SessionId)> f) { save_ = std::move(f); }
  bool has_on_save() const { return save_ != nullptr; }
  void on_restore(std::function<void(Adopted)> f) { restore_ = std::move(f); }
  void on_update(std::function<void(Adopted)> f) { update_ = std::move(f); }
  // Beside on_update(): input() and output() are only what is new, see Adopted::input_dropped().
  void on_extend(std::function<void(Adopted)> f) { extend_ = std::move(f); }
  void on_drop(std::function<void(SessionId)> f) { drop_ = std::move(f); }
  // Heir: all sessions and sections are here, and nothing is this process's own yet. An exception
  // fails the handoff.
  void on_linked(std::function<void()> f) { linked_ = std::move(f); }
  void on_freeze(std::function<void()> f) { freeze_ = std::move(f); }
  void on_thaw(std::function<void()> f) { thaw_ = std::move(f); }
  // In place of on_freeze(): sessions come to rest while the loop turns, until frozen() is called,
  // or until the deadline (CLOCK_MONOTONIC, microseconds). An exception fails the handoff.
  void on_freeze_later(std::function<void(std::uint64_t deadline_us)> f) {
    freeze_later_ = std::move(f);
  }
  // In place of on_restore() and on_update(): restored() says how each call has ended.
  void on_restore_later(std::function<void(Adopted)> f, bool early = true) {
    restore_ = std::move(f);
    if (early) update_ = restore_;
    restores_later_ = true;
  }
  void on_retired(std::function<void(std::uint64_t lost)> f) { retired_ = std::move(f); }
  // deadline_us is CLOCK_MONOTONIC.
  void on_stop(std::function<void(std::uint64_t deadline_us)> f) { stop_ = std::move(f); }
  // A service that calls session_hold() needs all four.
  void on_late(std::function<void(std::uint64_t waiting)> f) { late_ = std::move(f); }
  void on_moved(std::function<void(SessionId)> f) { moved_ = std::move(f); }
  void on_freeze_session(std::function<void(SessionId)> f) { freeze_session_ = std::move(f); }
  void on_thaw_session(std::function<void(SessionId)> f) { thaw_session_ = std::move(f); }

  // -- starting
  // Returns when this process owns every socket. Throws if the handoff has failed: exit then, the
  // donor serves on.
  void ready() {
    if (index_ == 0 && state() == State::kDeclaring) start();
    wait();
  }
  // The two halves of ready(). start() is called once, on the service itself, and waits for nobody;
  // wait() is called for each lane, on its own thread.
  void start() {
    set_callbacks();
    for (auto& lane : others_) {
      lane->stateless_ = stateless_;
      lane->set_callbacks();
    }
    check(handoff_ready(h_));
  }
  void wait() { check(handoff_wait(h_, -1)); }
  int fd() const { return handoff_fd(h_); }
  void dispatch() { check(handoff_dispatch(h_)); }

  State state() const { return static_cast<State>(handoff_state(h_)); }
  // Before open(), too.
  static bool has_supervisor() { return handoff_has_supervisor() != 0; }
  bool supervised() const { return handoff_supervised(h_) != 0; }
  // See handoff_health().
  void health(bool healthy, const std::string& why = "") {
    check(handoff_health(h_, healthy ? 1 : 0, why.c_str()));
  }
  // See handoff_leave(): this process ends on purpose, and is not to be started again.
  void leave(const std::string& why) { check(handoff_leave(h_, why.c_str())); }
  // See handoff_errors().
  void errors(std::uint64_t more = 1) { check(handoff_errors(h_, more)); }
  std::uint64_t generation() const { return handoff_generation(h_); }
  // The fd of that name, borrowed; negative, and no exception, if nobody gave it.
  int named_fd(const std::string& name) const { return handoff_named_fd(h_, name.c_str()); }
  // A socket at another address of a listener that moves, which the caller owns; -1, and no
  // exception, if there is none (any more). See handoff_take_earlier().
  int take_earlier(const std::string& name) {
    const int fd = handoff_take_earlier(h_, name.c_str());
    if (fd != -ENOENT) check(fd);
    return fd < 0 ? -1 : fd;
  }
  // Where the listener is bound, "tcp:127.0.0.1:7000"; "" if there is none of that name.
  std::string named_address(const std::string& name) const {
    const char* address = handoff_named_address(h_, name.c_str());
    return address != nullptr ? address : "";
  }
  // Takes fd, unless it throws.
  void attach(const std::string& name, int fd) { check(handoff_attach(h_, name.c_str(), fd)); }
  // The caller owns the fd.
  int detach(const std::string& name) {
    const int fd = handoff_detach(h_, name.c_str());
    check(fd);
    return fd;
  }

  // -- sessions; flags are HANDOFF_SESSION_*, fd is borrowed until session_closed()
  SessionId session_open(int fd, std::uint32_t flags = 0, const char* kind = nullptr) {
    handoff_session_options options{};
    options.size = sizeof options;
    options.kind = kind;
    options.flags = flags;
    SessionId id = 0;
    check(handoff_session_open(h_, fd, &options, &id));
    return id;
  }
  void session_touch(SessionId id) { check(handoff_session_touch(h_, id)); }
  void session_closed(SessionId id) { check(handoff_session_closed(h_, id)); }
  // A session that is held stays here at a switch, until it is released.
  void session_hold(SessionId id) { check(handoff_session_hold(h_, id)); }
  // The session is released by itself at that time (CLOCK_MONOTONIC, microseconds).
  void session_hold_until(SessionId id, std::uint64_t deadline_us) {
    check(handoff_session_hold_until(h_, id, deadline_us));
  }
  // The session can't move, and why; nullptr: it moves like any other.
  void session_stays(SessionId id, const char* why) { check(handoff_session_stays(h_, id, why)); }
  // -- any thread; see "states that are not at hand" in handoff.h
  void session_put(SessionId id, std::string_view state, std::string_view input = {},
                   std::string_view output = {}, std::uint32_t flags = 0) {
    put(id, state, input, output, flags, {});
  }
  // With a layer, and with positions if both input_at and output_at are given.
  template <std::same_as<Saved> S>
  void session_put(SessionId id, const S& saved) {
    handoff_put more{};
    const std::string_view input =
        saved.input_at ? saved.input_at->bytes : std::string_view(saved.input);
    const std::string_view output =
        saved.output_at ? saved.output_at->bytes : std::string_view(saved.output);
    if (saved.input_at && saved.output_at) {
      more.placed = HANDOFF_PUT_PLACED;
      more.input_position = saved.input_at->position;
      more.output_position = saved.output_at->position;
    }
    more.layer = saved.layer.data();
    more.layer_length = saved.layer.size();
    put(id, saved.state, input, output, saved.flags, more);
  }
  void frozen(int result = 0, const char* why = nullptr) {
    check_told(handoff_frozen(h_, result, why));
  }
  void restored(SessionId id, int result = 0, const char* why = nullptr) {
    check_told(handoff_restored(h_, id, result, why));
  }
  // The process that the session needs; 0 for none.
  void session_process(SessionId id, pid_t pid) { check(handoff_session_process(h_, id, pid)); }
  // An fd that belongs to the session beside its socket; -1: none of that name any more. See
  // handoff_session_fd().
  void session_fd(SessionId id, const std::string& name, int fd) {
    check(handoff_session_fd(h_, id, name.c_str(), fd));
  }
  void session_release(SessionId id) { check(handoff_session_release(h_, id)); }
  // The session goes to the newer process as soon as it is not held.
  bool session_leaves(SessionId id) const { return handoff_session_leaves(h_, id) > 0; }
  std::uint64_t session_count() const { return handoff_session_count(h_); }

  // The C handle, borrowed.
  handoff_t* raw() { return h_; }
  // For a layer that takes the handle's callbacks itself, as asio.hpp does: what on_linked(),
  // on_freeze() and on_thaw() were given, as the library calls them; nothing if they were not.
  int run_linked() noexcept {
    return linked_ ? guard([&] { linked_(); }) : 0;
  }
  int run_freeze() noexcept {
    return freeze_ ? guard([&] { freeze_(); }) : 0;
  }
  void run_thaw() noexcept {
    if (thaw_) guard_or_log("on_thaw", [&] { thaw_(); });
  }

 private:
  explicit Service(Options options) : log_(std::move(options.log)) {
    if (!log_) {
      log_ = [](int level, std::string_view text) {
        if (level >= HANDOFF_LOG_WARNING) detail::complain(text);
      };
    }
    handoff_options raw{};
    raw.size = sizeof raw;
    raw.name = options.name.c_str();
    raw.version = options.version.c_str();
    raw.state_version = options.state_version;
    raw.lanes = options.lanes;
    raw.vault = options.vault ? 1 : 0;
    raw.log = [](void* self, int level, const char* message) {
      static_cast<Service*>(self)->log_(level, message);
    };
    raw.user = this;
    const int result = handoff_open(&h_, &raw);
    if (result < 0)
      throw Exception(result, std::string("handoff_open: ") + handoff_strerror(result));
    try {
      lane_count_ = std::max<std::uint32_t>(options.lanes, 1);
      for (std::uint32_t i = 1; i < lane_count_; ++i) {
        others_.push_back(std::unique_ptr<Service>(new Service(*this, i)));
      }
    } catch (...) {
      handoff_close(h_);
      throw;
    }
  }
  // Lane `index` of first.
  Service(Service& first, std::uint32_t index) : index_(index), lane_count_(first.lane_count_) {
    log_ = [&first](int level, std::string_view text) { first.log_(level, text); };
    check(handoff_lane(first.h_, index, &h_));
  }

  void set_callbacks() {
    handoff_callbacks c{};
    c.size = sizeof c;
    // States that are put need none.
    const bool puts = !save_ && freeze_later_;
    c.save = puts ? nullptr : &Service::save_thunk;
    c.restore = &Service::restore_thunk;
    c.update = update_ ? &Service::update_thunk : nullptr;
    c.drop = drop_ ? &Service::drop_thunk : nullptr;
    c.freeze = &Service::freeze_thunk;
    c.thaw = &Service::thaw_thunk;
    c.retired = &Service::retired_thunk;
    c.stop = &Service::stop_thunk;
    c.late = late_ ? &Service::late_thunk : nullptr;
    c.moved = moved_ ? &Service::moved_thunk : nullptr;
    c.freeze_session = freeze_session_ ? &Service::freeze_session_thunk : nullptr;
    c.thaw_session = thaw_session_ ? &Service::thaw_session_thunk : nullptr;
    c.extend = update_ && extend_ ? &Service::extend_thunk : nullptr;
    c.linked = linked_ ? &Service::linked_thunk : nullptr;
    check(handoff_set_callbacks(h_, &c, this));
  }

  struct Step {
    Service* service;
    StateStep declared;
  };
  struct SectionAdapter {
    Service* service;
    Section* section;
    detail::RecordWriter writer;
    detail::RecordReader reader;

    static SectionAdapter& of(void* user) { return *static_cast<SectionAdapter*>(user); }
    static int begin(void* user, std::uint32_t version) {
      auto& self = of(user);
      return self.service->guard([&] {
        self.writer.clear();
        self.section->begin(version);
      });
    }
    static ssize_t read(void* user, int phase, void* chunk, std::size_t capacity) {
      auto& self = of(user);
      std::size_t filled = 0;
      const int result = self.service->guard([&] {
        auto* out = static_cast<char*>(chunk);
        std::string record;
        while (filled < capacity) {
          if (self.writer.empty()) {
            record.clear();
            if (!self.section->next(static_cast<Phase>(phase), record)) break;
            self.writer.put(std::move(record));
          }
          filled += self.writer.fill(out + filled, capacity - filled);
        }
      });
      return result < 0 ? result : static_cast<ssize_t>(filled);
    }
    static void end(void* user, int moved) {
      auto& self = of(user);
      self.service->guard_or_log("Section::end", [&] { self.section->end(moved != 0); });
    }
    static int write(void* user, std::uint32_t version, const void* chunk, std::size_t length) {
      auto& self = of(user);
      return self.service->guard([&] {
        self.reader.feed({static_cast<const char*>(chunk), length},
                         [&](std::string_view record) { self.section->apply(version, record); });
      });
    }
    static int finish(void* user) {
      auto& self = of(user);
      return self.service->guard([&] {
        if (!self.reader.between_records())
          throw std::runtime_error("section: the last record is cut");
        self.section->finish();
      });
    }
    static void reset(void* user) {
      auto& self = of(user);
      self.reader = {};
      self.service->guard_or_log("Section::reset", [&] { self.section->reset(); });
    }
  };

  struct BlobAdapter {
    Service* service;
    std::function<std::string()> save;
    std::function<void(std::string_view)> load;

    static int saved(void* user, handoff_buffer_t* out) {
      auto& self = *static_cast<BlobAdapter*>(user);
      int appended = 0;
      const int result = self.service->guard([&] {
        const std::string value = self.save();
        appended = handoff_buffer_append(out, value.data(), value.size());
      });
      return result < 0 ? result : appended;
    }
    static int loaded(void* user, const void* data, std::size_t length) {
      auto& self = *static_cast<BlobAdapter*>(user);
      return self.service->guard([&] { self.load({static_cast<const char*>(data), length}); });
    }
  };

  struct RegionAdapter {
    Service* service;
    AdoptRegion adopt;
    std::function<void()> reset;

    static int adopted(void* user, std::uint32_t version, const void* data, std::size_t length) {
      auto& self = *static_cast<RegionAdapter*>(user);
      if (!self.adopt) return 0;
      return self.service->guard([&] {
        self.adopt(version, {static_cast<const std::byte*>(data), length});
      });
    }
    static void emptied(void* user) {
      auto& self = *static_cast<RegionAdapter*>(user);
      if (self.reset) self.service->guard_or_log("a region's reset", [&] { self.reset(); });
    }
  };

  void step(const std::string& kind, std::uint32_t from, std::uint32_t to, Convert convert) {
    auto owned = std::make_unique<Step>(Step{this, StateStep{kind, from, to, std::move(convert)}});
    check(handoff_state_step(
        h_, kind.c_str(), from, to,
        [](void* user, const void* state, std::size_t length, handoff_buffer_t* out) {
          auto& self = *static_cast<Step*>(user);
          int appended = 0;
          const int result = self.service->guard([&] {
            const std::string converted =
                self.declared.convert({static_cast<const char*>(state), length});
            appended = handoff_buffer_append(out, converted.data(), converted.size());
          });
          return result < 0 ? result : appended;
        },
        owned.get()));
    steps_.push_back(std::move(owned));
  }

  // Runs a callback of the service; what it throws becomes a log line and a failure.
  template <class F>
  int guard(F&& f) noexcept {
    try {
      f();
      return 0;
    } catch (const std::bad_alloc&) {
      return -ENOMEM;
    } catch (const std::exception& e) {
      complain(e.what());
    } catch (...) {
      complain("an exception that is no std::exception");
    }
    return HANDOFF_ERR_INTERNAL;
  }
  // For callbacks whose failure changes nothing any more: what they throw goes to the log.
  template <class F>
  void guard_or_log(const char* name, F&& f) noexcept {
    try {
      try {
        f();
      } catch (const std::exception& e) {
        log_(HANDOFF_LOG_ERROR, std::string(name) + " threw: " + e.what());
      }
    } catch (...) {  // NOLINT(bugprone-empty-catch): what it threw has no words
    }
  }
  void complain(const char* what) noexcept { handoff_reason(h_, what); }
  void check(int result) const {
    if (result >= 0) return;
    std::string text = handoff_last_error(h_);
    if (text.empty()) text = handoff_strerror(result);
    throw Exception(result, text);
  }

  // Of functions that leave no words, since any thread may call them.
  // more: what else there is to say.
  void put(SessionId id, std::string_view state, std::string_view input, std::string_view output,
           std::uint32_t flags, handoff_put more) {
    more.size = sizeof more;
    more.state = state.data();
    more.state_length = state.size();
    more.input = input.data();
    more.input_length = input.size();
    more.output = output.data();
    more.output_length = output.size();
    more.flags = flags;
    check_told(handoff_session_put(h_, id, &more));
  }
  static void check_told(int result) {
    if (result < 0) throw Exception(result, handoff_strerror(result));
  }

  static Service& of(void* user) { return *static_cast<Service*>(user); }
  static int save_input(handoff_saved_t* out, const Saved& saved) {
    if (!saved.input_at) return handoff_save_input(out, saved.input.data(), saved.input.size());
    const Stretch& at = *saved.input_at;
    return handoff_save_input_at(out, at.position, at.bytes.data(), at.bytes.size());
  }
  static int save_output(handoff_saved_t* out, const Saved& saved) {
    if (!saved.output_at) return handoff_save_output(out, saved.output.data(), saved.output.size());
    const Stretch& at = *saved.output_at;
    return handoff_save_output_at(out, at.position, at.bytes.data(), at.bytes.size());
  }
  static int save_thunk(void* user, SessionId id, handoff_saved_t* out) {
    Service& self = of(user);
    int stored = 0;
    if (!self.save_ && self.stateless_) return 0;  // an error for a kind that is not
    const int result = self.guard([&] {
      if (!self.save_) throw std::runtime_error("no on_save() was given");
      Saved saved = self.save_(id);
      stored = handoff_save_state(out, saved.state.data(), saved.state.size());
      if (stored >= 0) stored = save_input(out, saved);
      if (stored >= 0) stored = save_output(out, saved);
      if (stored >= 0) stored = handoff_save_flags(out, saved.flags);
      if (saved.layer.empty()) return;
      if (stored >= 0) stored = handoff_save_layer(out, saved.layer.data(), saved.layer.size());
      ::explicit_bzero(saved.layer.data(), saved.layer.size());
    });
    return result < 0 ? result : stored;
  }
  static int restore_thunk(void* user, const handoff_adopted* session) {
    Service& self = of(user);
    const int result = self.guard([&] {
      if (!self.restore_) throw std::runtime_error("no on_restore() was given");
      self.restore_(Adopted(*session, self.h_));
    });
    return result < 0 || !self.restores_later_ ? result : HANDOFF_LATER;
  }
  static int update_thunk(void* user, const handoff_adopted* session) {
    Service& self = of(user);
    const int result = self.guard([&] { self.update_(Adopted(*session, self.h_)); });
    return result < 0 || !self.restores_later_ ? result : HANDOFF_LATER;
  }
  static int extend_thunk(void* user, const handoff_adopted* session) {
    Service& self = of(user);
    return self.guard([&] { self.extend_(Adopted(*session, self.h_)); });
  }
  static int linked_thunk(void* user) { return of(user).run_linked(); }
  static void drop_thunk(void* user, SessionId id) {
    Service& self = of(user);
    self.guard_or_log("on_drop", [&] { self.drop_(id); });
  }
  static int freeze_thunk(void* user) {
    Service& self = of(user);
    if (self.freeze_later_) {
      const int result = self.guard([&] { self.freeze_later_(handoff_freeze_deadline(self.h_)); });
      return result < 0 ? result : HANDOFF_LATER;
    }
    return self.run_freeze();
  }
  static void thaw_thunk(void* user) {
    Service& self = of(user);
    self.run_thaw();
  }
  static void retired_thunk(void* user, std::uint64_t lost) {
    Service& self = of(user);
    if (self.retired_) self.guard_or_log("on_retired", [&] { self.retired_(lost); });
  }
  static void stop_thunk(void* user, int /*reason*/, std::uint64_t deadline_us) {
    Service& self = of(user);
    if (self.stop_) self.guard_or_log("on_stop", [&] { self.stop_(deadline_us); });
  }

  static void late_thunk(void* user, std::uint64_t waiting) {
    of(user).guard_or_log("on_late", [&] { of(user).late_(waiting); });
  }
  static void moved_thunk(void* user, SessionId id) {
    of(user).guard_or_log("on_moved", [&] { of(user).moved_(id); });
  }
  static void freeze_session_thunk(void* user, SessionId id) {
    of(user).guard_or_log("on_freeze_session", [&] { of(user).freeze_session_(id); });
  }
  static void thaw_session_thunk(void* user, SessionId id) {
    of(user).guard_or_log("on_thaw_session", [&] { of(user).thaw_session_(id); });
  }

  handoff_t* h_ = nullptr;
  std::uint32_t index_ = 0;
  std::uint32_t lane_count_ = 1;
  bool stateless_ = false;
  std::vector<std::unique_ptr<Service>> others_;
  std::function<void(int, std::string_view)> log_;
  std::function<Saved(SessionId)> save_;
  std::function<void(Adopted)> restore_, update_, extend_;
  std::function<void(SessionId)> drop_;
  std::function<void()> freeze_, thaw_, linked_;
  std::function<void(std::uint64_t)> freeze_later_;
  bool restores_later_ = false;
  std::function<void(std::uint64_t)> retired_, stop_, late_;
  std::function<void(SessionId)> moved_, freeze_session_, thaw_session_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<std::unique_ptr<SectionAdapter>> sections_;
  std::vector<std::unique_ptr<BlobAdapter>> blobs_;
  std::vector<std::unique_ptr<RegionAdapter>> regions_;
};

// The frame of a service's main(): calls body(), and returns what main() has to return. What body()
// throws goes to stderr and is 1. An heir that must leave (HANDOFF_ERR_ABORTED: its handoff failed,
// or was a rehearsal) has done its duty, and is 0.
template <std::invocable Body>
int run(Body&& body) {
  try {
    std::forward<Body>(body)();
    return 0;
  } catch (const Exception& error) {
    detail::complain(error.what(), ::program_invocation_short_name);
    return error.code() == HANDOFF_ERR_ABORTED ? 0 : 1;
  } catch (const std::exception& error) {
    detail::complain(error.what(), ::program_invocation_short_name);
    return 1;
  }
}

}  // namespace handoff

#endif  // HANDOFF_HANDOFF_HPP
