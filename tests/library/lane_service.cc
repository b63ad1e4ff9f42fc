#include "lane_service.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "libhandoff/sys/process.h"

namespace handoff::test {
namespace {

struct Connection {
  int fd = -1;
  std::uint64_t lines = 0;
  std::string input;
  std::string output;
  bool frozen = false;  // by itself: it is late
  bool busy = false;    // between "work" and "done"
  bool rests = false;   // it has put its state, and waits
};

// How many connections each lane has accepted. Lanes take turns, so that each gets some.
using Accepted = std::vector<std::atomic<int>>;

class LaneLoop {
 public:
  LaneLoop(Service& service, const LaneServiceOptions& options, Accepted& accepted)
      : service_(service), options_(options), accepted_(accepted), lane_(service.index()) {
    if (options.rests) {
      come_to_rest_later();
    } else {
      service_.on_save([this](SessionId id) { return save(id); });
      service_.on_restore([this](Adopted a) { restore(a); });
      if (options.early_restore) service_.on_update([this](Adopted a) { restore(a); });
    }
    service_.on_drop([this](SessionId id) { close(id); });
    if (options.on_freeze) service_.on_freeze([this] { options_.on_freeze(lane_); });
    service_.on_thaw([this] {
      resting_ = false;
      for (auto& [id, c] : connections_) c.rests = false;
      if (options_.on_thaw) options_.on_thaw(lane_);
    });
    service_.on_retired([this](std::uint64_t) { close_all(); });
    service_.on_stop([this](std::uint64_t) { close_all(); });
    if (options.holds) hold_sessions();
  }
  ~LaneLoop() {
    for (std::thread& thread : answers_) thread.join();
  }

  // True unless the handoff to this process failed.
  bool run() {
    thread_ = std::this_thread::get_id();
    try {
      service_.wait();
    } catch (const Exception& e) {
      if (e.code() == HANDOFF_ERR_ABORTED) return false;
      throw;
    }
    listener_ = service_.named_fd("public");
    while (!done_) turn();
    return true;
  }

 private:
  void come_to_rest_later() {
    service_.on_freeze_later([this](std::uint64_t) {
      expect_own_thread();
      resting_ = true;
    });
    const auto later = [this](Adopted a) {
      const SessionId id = a.id();
      restore(a);
      if (options_.answers && !options_.answers(id)) return;
      answers_.emplace_back([this, id] { service_.restored(id); });
    };
    service_.on_restore_later(later, options_.early_restore);
  }
  void put(SessionId id, Connection& c) {
    service_.session_put(id, state(id, c.lines), c.input, c.output);
    c.rests = true;
  }
  // In each turn, until all are at rest or the time for it is up.
  void come_to_rest() {
    bool busy = false;
    for (auto& [id, c] : connections_) {
      busy = busy || c.busy;
      if (!c.busy && !c.rests) put(id, c);
    }
    if (busy) return;
    resting_ = false;
    service_.frozen();
  }
  void hold_sessions() {
    service_.on_late([this](std::uint64_t) {
      expect_own_thread();
      listener_ = -1;
      resting_ = false;
      late_ = true;
      if (options_.on_late) options_.on_late(lane_);
    });
    service_.on_moved([this](SessionId id) {
      expect_own_thread();
      close(id);
    });
    service_.on_freeze_session([this](SessionId id) {
      expect_own_thread();
      connections_.at(id).frozen = true;
      if (options_.on_freeze_session) options_.on_freeze_session(lane_);
    });
    service_.on_thaw_session([this](SessionId id) {
      expect_own_thread();
      if (options_.on_thaw_session) options_.on_thaw_session(lane_);
      connections_.at(id).frozen = connections_.at(id).rests = false;
    });
  }
  void expect_own_thread() const {
    if (std::this_thread::get_id() != thread_) ::_exit(99);
  }
  void hold(SessionId id, const std::string& line) {
    if (line == "release") {
      service_.session_release(id);
    } else if (line == "hold") {
      service_.session_hold(id);
    } else if (line.starts_with("hold ")) {
      const auto until = io::now_us() + 1000 * std::stoll(line.substr(5));
      service_.session_hold_until(id, static_cast<std::uint64_t>(until));
    }
  }
  std::string state(SessionId id, std::uint64_t lines) const {
    std::string out = std::to_string(lines);
    if (options_.padding == 0) return out;
    return out + ' ' + std::string(options_.padding, static_cast<char>('a' + id % 26));
  }
  Saved save(SessionId id) {
    expect_own_thread();
    if (options_.on_save) options_.on_save(lane_);
    const Connection& c = connections_.at(id);
    Saved saved(state(id, c.lines));
    saved.input = c.input;
    saved.output = c.output;
    return saved;
  }
  void restore(Adopted& a) {
    expect_own_thread();
    if (options_.on_restore) options_.on_restore(lane_);
    if (options_.refuses && options_.refuses(a.id())) throw std::runtime_error("not this one");
    Connection& c = connections_[a.id()];
    c.frozen = service_.state() != State::kHeir;  // a late session: not before thaw_session()
    const int fd = a.take_fd();
    if (fd >= 0) c.fd = fd;
    c.lines = std::stoull(std::string(a.state().substr(0, a.state().find(' '))));
    if (a.state() != state(a.id(), c.lines)) {
      throw std::runtime_error("the state is not as it was saved");
    }
    c.input = a.input();
    c.output = a.output();
  }
  void close(SessionId id) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) return;
    ::close(it->second.fd);
    connections_.erase(it);
  }
  void close_all() {
    while (!connections_.empty()) close(connections_.begin()->first);
    done_ = true;
  }

  void turn() {
    if (resting_) come_to_rest();
    std::vector<pollfd> fds{{service_.fd(), POLLIN, 0}, {resting_ ? -1 : listener_, POLLIN, 0}};
    std::vector<SessionId> ids;
    for (auto& [id, c] : connections_) {
      if (c.frozen || c.rests) continue;
      fds.push_back({c.fd, static_cast<short>(c.output.empty() ? POLLIN : POLLIN | POLLOUT), 0});
      ids.push_back(id);
    }
    if (::poll(fds.data(), fds.size(), -1) < 0) return;
    if (fds[1].revents != 0) accept();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (fds[2 + i].revents != 0) serve(ids[i]);
    }
    if (fds[0].revents != 0) service_.dispatch();
  }
  void accept() {
    for (const auto& others : accepted_) {
      if (others < accepted_[lane_]) return;  // another lane's turn
    }
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;  // another lane was faster
    ++accepted_[lane_];
    const std::uint32_t flags = (options_.tracked ? HANDOFF_SESSION_TRACKED : 0) |
                                (options_.independent ? HANDOFF_SESSION_INDEPENDENT : 0);
    connections_[service_.session_open(fd, flags)].fd = fd;
  }
  void serve(SessionId id) {
    Connection& c = connections_.at(id);
    char buffer[4096];
    const ssize_t n = ::recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      service_.session_closed(id);
      close(id);
      return;
    }
    if (n > 0) c.input.append(buffer, static_cast<std::size_t>(n));
    std::size_t end = 0;
    while ((end = c.input.find('\n')) != std::string::npos) {
      const std::string line = c.input.substr(0, end);
      c.input.erase(0, end + 1);
      if (line == "hang" && options_.on_hang) options_.on_hang(lane_);
      if (options_.holds) hold(id, line);
      if (line == "work" || line == "done") c.busy = line == "work";
      c.output += std::to_string(++c.lines) + " " +
                  (line == "who" ? options_.version + "." + std::to_string(lane_) : line) + "\n";
    }
    while (!c.output.empty()) {
      const ssize_t sent =
          ::send(c.fd, c.output.data(), c.output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) break;
      c.output.erase(0, static_cast<std::size_t>(sent));
    }
    if (options_.tracked) service_.session_touch(id);
    if (options_.rests && late_ && !c.busy) put(id, c);
  }

  Service& service_;
  const LaneServiceOptions& options_;
  Accepted& accepted_;
  const std::uint32_t lane_;
  std::thread::id thread_;
  int listener_ = -1;
  std::map<SessionId, Connection> connections_;
  bool done_ = false;
  bool late_ = false;
  bool resting_ = false;  // sessions are to come to rest
  std::vector<std::thread> answers_;
};

}  // namespace

int run_lane_service(const LaneServiceOptions& options) {
  auto service =
      Service::open({.name = "test", .version = options.version, .lanes = options.lanes});
  service->listener("public", "tcp:127.0.0.1:0");
  if (options.adjust) options.adjust(*service);
  Accepted accepted(options.lanes);
  std::vector<std::unique_ptr<LaneLoop>> loops;
  for (std::uint32_t i = 0; i < options.lanes; ++i) {
    loops.push_back(std::make_unique<LaneLoop>(service->lane(i), options, accepted));
  }
  service->start();
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < options.lanes; ++i) {
    threads.emplace_back([&loop = *loops[i]] { (void)loop.run(); });
  }
  const bool ran = loops[0]->run();
  for (std::thread& thread : threads) thread.join();
  return ran ? 0 : 3;
}

}  // namespace handoff::test
