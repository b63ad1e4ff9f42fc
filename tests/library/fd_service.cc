#include "fd_service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <utility>

#include "kinds_of_fd.h"

namespace handoff::test {
namespace {

struct Connection {
  int fd = -1;
  std::map<std::string, int> fds;
  std::string state = "s";
  std::string input;
  bool swaps = false;
  bool frozen = false;
};

std::string count_memfds() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && target.string().starts_with("/memfd:extra")) ++count;
  }
  return std::to_string(count);
}

class FdService {
 public:
  explicit FdService(const FdServiceOptions& options) : options_(options) {
    service_ = Service::open({.name = "test", .version = options.version});
    service_->listener("public", "tcp:127.0.0.1:0");
    service_->on_save([this](SessionId id) { return Saved(connections_.at(id).state); });
    service_->on_restore([this](Adopted a) { restore(a); });
    if (options.early_restore) service_->on_update([this](Adopted a) { restore(a); });
    service_->on_drop([this](SessionId id) { forget(id); });
    service_->on_freeze([this] { swap(); });
    service_->on_retired([this](std::uint64_t) {
      while (!connections_.empty()) forget(connections_.begin()->first);
      done_ = true;
    });
    service_->on_stop([this](std::uint64_t) { done_ = true; });
    if (!options.holds) return;
    service_->on_late([this](std::uint64_t) { late_ = true; });
    service_->on_moved([this](SessionId id) { forget(id); });
    service_->on_freeze_session([this](SessionId id) { connections_.at(id).frozen = true; });
    service_->on_thaw_session([this](SessionId id) { connections_.at(id).frozen = false; });
  }

  int run() {
    try {
      service_->ready();
    } catch (const Exception& e) {
      if (e.code() == HANDOFF_ERR_ABORTED) return 3;
      throw;
    }
    while (!done_) turn();
    return 0;
  }

 private:
  void restore(Adopted& a) {
    Connection& c = connections_[a.id()];
    c.frozen = service_->state() != State::kHeir;
    if (const int fd = a.take_fd(); fd >= 0) c.fd = fd;
    c.state = a.state();
    c.swaps = c.state == "swaps";
    if (!options_.takes) return;
    std::map<std::string, int> before = std::exchange(c.fds, {});
    for (const char* name : a.fd_names()) {
      const int fd = a.take_fd(name);
      c.fds[name] = fd >= 0 ? fd : std::exchange(before.at(name), -1);
    }
    for (const auto& [name, fd] : before) {
      if (fd >= 0) ::close(fd);
    }
  }
  void forget(SessionId id) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) return;
    if (it->second.fd >= 0) ::close(it->second.fd);
    for (const auto& [name, fd] : it->second.fds) ::close(fd);
    connections_.erase(it);
  }

  // In the freeze the session gets another fd of the same name.
  void swap() {
    for (auto& [id, c] : connections_) {
      if (!c.swaps) continue;
      const int next = memfd_of("another");
      service_->session_fd(id, "memfd", next);
      ::close(std::exchange(c.fds.at("memfd"), next));
    }
  }

  void turn() {
    std::vector<pollfd> fds{{service_->fd(), POLLIN, 0}};
    fds.push_back({late_ ? -1 : service_->named_fd("public"), POLLIN, 0});
    std::vector<SessionId> ids;
    for (const auto& [id, c] : connections_) {
      if (c.frozen || c.fd < 0) continue;
      fds.push_back({c.fd, POLLIN, 0});
      ids.push_back(id);
    }
    if (::poll(fds.data(), fds.size(), -1) < 0) return;
    if (fds[1].revents != 0) {
      const int fd = ::accept4(fds[1].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        connections_[service_->session_open(fd, options_.tracked ? HANDOFF_SESSION_TRACKED : 0)]
            .fd = fd;
      }
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (fds[2 + i].revents != 0) serve(ids[i]);
    }
    if (fds[0].revents != 0) service_->dispatch();
  }

  void serve(SessionId id) {
    Connection& c = connections_.at(id);
    char buffer[4096];
    const ssize_t n = ::recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      service_->session_closed(id);
      return forget(id);
    }
    if (n > 0) c.input.append(buffer, static_cast<std::size_t>(n));
    std::size_t end = 0;
    while ((end = c.input.find('\n')) != std::string::npos) {
      const std::string line = c.input.substr(0, end);
      c.input.erase(0, end + 1);
      std::string reply;
      try {
        const auto space = line.find(' ');
        reply = answer(id, line.substr(0, space),
                       space == std::string::npos ? "" : line.substr(space + 1));
      } catch (const std::exception& e) {
        reply = e.what();
      }
      reply += "\n";
      (void)!::send(c.fd, reply.data(), reply.size(), MSG_NOSIGNAL);
    }
    if (options_.tracked) service_->session_touch(id);
  }

  std::string answer(SessionId id, const std::string& verb, const std::string& what) {
    Connection& c = connections_.at(id);
    const FdOwner owner{[&](const std::string& name, int fd) {
                          service_->session_fd(id, name, fd);
                          c.fds[name] = fd;
                        },
                        [&](const std::string& name) { return c.fds.at(name); },
                        [&](pid_t pid) { service_->session_process(id, pid); }, options_.folder};
    if (verb == "open") {
      fd_uses().at(what).open(owner);
      return "opened";
    }
    if (verb == "use") return fd_uses().at(what).use(owner);
    if (verb == "fill") {
      for (int i = 0; i < std::stoi(what); ++i) {
        owner.give("memfd" + std::to_string(i), memfd_of(std::to_string(i)));
      }
      return "filled";
    }
    if (verb == "swap") {
      c.swaps = true;
      c.state = "swaps";
      return "will swap";
    }
    if (verb == "close") {
      ::close(std::exchange(c.fds.at(what), -1));
      return "closed";
    }
    if (verb == "drop") {
      service_->session_fd(id, what, -1);
      ::close(c.fds.at(what));
      c.fds.erase(what);
      return "dropped";
    }
    if (verb == "park") {
      const SessionId parked = service_->session_open(-1, HANDOFF_SESSION_NO_FD);
      connections_[parked].state = what;
      const int fd = memfd_of("of " + what);
      service_->session_fd(parked, "memfd", fd);
      connections_[parked].fds["memfd"] = fd;
      return "parked";
    }
    if (verb == "parked") {
      std::string all;
      for (const auto& [other, session] : connections_) {
        if (session.fd >= 0) continue;
        all += session.state + ": " + text_of_memfd(session.fds.at("memfd")) + ";";
      }
      return all;
    }
    if (verb == "memfds") return count_memfds();
    if (verb == "hold") service_->session_hold(id);
    if (verb == "release") service_->session_release(id);
    if (verb == "who") return options_.version;
    return "yes";
  }

  FdServiceOptions options_;
  std::unique_ptr<Service> service_;
  std::map<SessionId, Connection> connections_;
  bool done_ = false;
  bool late_ = false;
};

}  // namespace

int run_fd_service(const FdServiceOptions& options) { return FdService(options).run(); }

const std::vector<KindOfFd>& kinds_of_fd() {
  static const std::vector<KindOfFd> all = [] {
    std::vector<KindOfFd> out;
    for (const auto& [name, use] : fd_uses()) out.push_back({name.c_str(), use.answer});
    return out;
  }();
  return all;
}

}  // namespace handoff::test
