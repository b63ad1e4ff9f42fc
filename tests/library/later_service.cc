#include "later_service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace handoff::test {
namespace {

// What the library's thread tells a session's.
// kGoOnce: until it has answered something, then it rests again.
enum class Order { kNone, kRest, kGo, kGoOnce, kEnd };

class LaterService;

// A session and its thread. The thread owns all but what is under the mutex.
class Process {
 public:
  Process(LaterService& of, SessionId id, int fd, std::uint64_t lines, bool adopted)
      : of_(of), id_(id), fd_(fd), lines_(lines), resting_(adopted), adopted_(adopted) {}
  ~Process() {
    if (thread_.joinable()) thread_.join();
    ::close(wake_);
    ::close(fd_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void tell(Order what) {
    {
      const std::lock_guard lock(mutex_);
      order_ = what;
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }
  void update(std::uint64_t lines) {
    {
      const std::lock_guard lock(mutex_);
      newer_ = lines;
    }
    tell(Order::kNone);
  }
  int fd() const { return fd_; }

 private:
  void run();
  void put();
  bool obey();
  void read();
  void answer_restore();

  LaterService& of_;
  const SessionId id_;
  const int fd_;
  const int wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::uint64_t lines_;
  std::string input_;
  bool resting_;
  bool adopted_;
  bool once_ = false;
  std::mutex mutex_;
  Order order_ = Order::kNone;
  std::optional<std::uint64_t> newer_;
  std::thread thread_;
};

class LaterService {
 public:
  explicit LaterService(const LaterServiceOptions& with) : options(with) {
    service = Service::open({.name = "test", .version = options.version});
    service->listener("public", "tcp:127.0.0.1:0");
    if (!options.snapshots) service->no_snapshots();
    service->on_freeze_later([this](std::uint64_t) { rest_all(); });
    service->on_thaw([this] { tell_all(Order::kGo); });
    service->on_restore_later([this](Adopted a) { restore(a); }, options.restores_early);
    service->on_drop([this](SessionId id) { end(id); });
    service->on_retired([this](std::uint64_t) { done_ = true; });
    service->on_stop([this](std::uint64_t) { done_ = true; });
    if (options.keeps) {
      service->on_late([this](std::uint64_t) { late_ = true; });
      service->on_moved([this](SessionId id) { end(id); });
      service->on_freeze_session([](SessionId) {});  // it has come to rest by itself
      service->on_thaw_session([this](SessionId id) {
        processes_.at(id)->tell(held_.contains(id) || !late_ ? Order::kGo : Order::kGoOnce);
      });
    }
    if (options.adjust) options.adjust(*service);
  }

  int run() {
    service->start();
    while (service->state() == State::kHeir) {  // the loop turns
      pollfd fd{service->fd(), POLLIN, 0};
      ::poll(&fd, 1, -1);
      try {
        service->dispatch();
      } catch (const Exception& e) {
        tell_all(Order::kEnd);
        processes_.clear();
        if (e.code() == HANDOFF_ERR_ABORTED) return 3;
        throw;
      }
    }
    tell_all(Order::kGo);
    while (!done_) turn();
    tell_all(Order::kEnd);
    processes_.clear();
    return 0;
  }

  // -- any thread
  // The thread of that session is at rest.
  void rested(SessionId id) {
    const std::lock_guard lock(mutex_);
    if (waiting_.erase(id) > 0 && waiting_.empty()) say_frozen();
  }
  void ended(SessionId id) {
    {
      const std::lock_guard lock(mutex_);
      ended_.push_back(id);
      if (waiting_.erase(id) > 0 && waiting_.empty()) say_frozen();
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }

  void released(SessionId id) {
    {
      const std::lock_guard lock(mutex_);
      released_.push_back(id);
    }
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  }

  LaterServiceOptions options;
  std::unique_ptr<Service> service;

 private:
  void say_frozen() {
    if (options.says_frozen) service->frozen(options.frozen, "they are restless");
  }
  void turn() {
    const bool accepts = !late_ && !resting_;
    pollfd fds[] = {{service->fd(), POLLIN, 0},
                    {wake_, POLLIN, 0},
                    {accepts ? service->named_fd("public") : -1, POLLIN, 0}};
    if (::poll(fds, 3, -1) < 0) return;
    if (fds[1].revents != 0) reap();
    if (fds[2].revents != 0) accept();
    if (fds[0].revents != 0) service->dispatch();
  }
  void accept() {
    const int fd = ::accept4(service->named_fd("public"), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const SessionId id = service->session_open(fd);
    if (options.holds && options.holds(id)) {
      service->session_hold(id);
      held_.insert(id);
    }
    begin(id, fd, 0, false);
  }
  void begin(SessionId id, int fd, std::uint64_t lines, bool adopted) {
    auto& process = processes_[id];
    process = std::make_unique<Process>(*this, id, fd, lines, adopted);
    process->start();
  }
  void reap() {
    std::uint64_t times = 0;
    (void)!::read(wake_, &times, sizeof times);
    std::vector<SessionId> over, released;
    {
      const std::lock_guard lock(mutex_);
      over = std::exchange(ended_, {});
      released = std::exchange(released_, {});
    }
    for (const SessionId id : released) {
      held_.erase(id);
      service->session_release(id);
      if (late_) processes_.at(id)->tell(Order::kRest);
    }
    for (const SessionId id : over) {
      service->session_closed(id);
      processes_.erase(id);
    }
  }
  void restore(Adopted& a) {
    const std::uint64_t lines = std::stoull(std::string(a.state()));
    if (const auto known = processes_.find(a.id()); known != processes_.end()) {
      return known->second->update(lines);
    }
    begin(a.id(), a.take_fd(), lines, true);
  }
  void end(SessionId id) {
    const auto it = processes_.find(id);
    if (it == processes_.end()) return;
    it->second->tell(Order::kEnd);
    processes_.erase(it);
  }
  void rest_all() {
    resting_ = true;
    const std::lock_guard lock(mutex_);
    for (auto& [id, process] : processes_) waiting_.insert(id);
    for (const SessionId id : ended_) waiting_.erase(id);
    if (waiting_.empty() || options.hasty) say_frozen();
    for (auto& [id, process] : processes_) process->tell(Order::kRest);
  }
  void tell_all(Order order) {
    resting_ = false;
    for (auto& [id, process] : processes_) process->tell(order);
  }

  std::map<SessionId, std::unique_ptr<Process>> processes_;
  std::set<SessionId> held_;
  const int wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  bool done_ = false;
  bool late_ = false;
  bool resting_ = false;
  std::mutex mutex_;
  std::set<SessionId> waiting_;  // have not come to rest
  std::vector<SessionId> ended_, released_;
};

void Process::put() { of_.service->session_put(id_, std::to_string(lines_), input_); }

void Process::answer_restore() {
  const int result = of_.options.restored ? of_.options.restored(id_) : 0;
  if (result != kNoAnswer) of_.service->restored(id_, result, "the process refused");
}

// False: it ends.
bool Process::obey() {
  std::uint64_t times = 0;
  (void)!::read(wake_, &times, sizeof times);
  Order order;
  std::optional<std::uint64_t> newer;
  {
    const std::lock_guard lock(mutex_);
    order = std::exchange(order_, Order::kNone);
    newer = std::exchange(newer_, std::nullopt);
  }
  if (newer) {
    lines_ = *newer;
    answer_restore();
  }
  switch (order) {
    case Order::kNone:
      return true;
    case Order::kRest:
      resting_ = true;
      put();
      of_.rested(id_);
      return true;
    case Order::kGo:
    case Order::kGoOnce:
      resting_ = false;
      once_ = order == Order::kGoOnce;
      return true;
    case Order::kEnd:
      return false;
  }
  return true;
}

void Process::read() {
  char buffer[512];
  const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN)) {
    resting_ = true;  // until its thread is ended
    return of_.ended(id_);
  }
  if (n > 0) input_.append(buffer, static_cast<std::size_t>(n));
  for (std::size_t end = 0; (end = input_.find('\n')) != std::string::npos;) {
    const std::string line = input_.substr(0, end);
    if (line == "release") of_.released(id_);
    if (line == "work") {  // the test hears that it has begun, and says when it is over
      ::close(::open((of_.options.fifo + ".begun").c_str(), O_WRONLY | O_CLOEXEC));
      ::close(::open(of_.options.fifo.c_str(), O_RDONLY | O_CLOEXEC));
    }
    const std::string answer =
        std::to_string(++lines_) + " " + (line == "who" ? of_.options.version : line) + "\n";
    (void)::send(fd_, answer.data(), answer.size(), MSG_NOSIGNAL);
    input_.erase(0, end + 1);
  }
  if (once_) resting_ = true;
  if (of_.options.snapshots || std::exchange(once_, false)) put();
}

void Process::run() {
  if (!adopted_ && of_.options.snapshots) put();
  if (adopted_) answer_restore();
  for (;;) {
    pollfd fds[] = {{wake_, POLLIN, 0}, {resting_ ? -1 : fd_, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents != 0 && !obey()) return;
    if (!resting_ && fds[1].revents != 0) read();
  }
}

}  // namespace

int run_later_service(const LaterServiceOptions& options) { return LaterService(options).run(); }

}  // namespace handoff::test
