#include "line_service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "support/process/process.h"

namespace handoff::test {
namespace {

struct Connection {
  int fd = -1;
  std::uint64_t lines = 0;
  std::string input;
  std::string output;
  bool frozen = false;
};

class LineService {
 public:
  explicit LineService(const LineServiceOptions& options) : options_(options) {
    service_ = Service::open(
        {.name = "test", .version = options.version, .state_version = options.state_version});
    service_->listener("public", "tcp:127.0.0.1:0");
    if (options.all_fds) {
      service_->listener("six", "tcp:[::1]:0");
      service_->listener("unix", "unix:" + options.folder + "/line.sock");
      service_->listener("udp", "udp:127.0.0.1:0");
      service_->claim("log");
    }
    service_->on_save([this](SessionId id) { return save(id); });
    service_->on_restore([this](Adopted a) { restore(a); });
    if (options.early_restore) service_->on_update([this](Adopted a) { restore(a); });
    service_->on_drop([this](SessionId id) {
      const auto it = connections_.find(id);
      if (it == connections_.end()) return;  // restore() failed before it added the connection
      ::close(it->second.fd);
      connections_.erase(it);
    });
    service_->on_retired([this](std::uint64_t) {
      if (options_.before_close) {
        options_.before_close(service_->named_fd("public"));
        for (auto& [id, c] : connections_) options_.before_close(c.fd);
      }
      for (auto& [id, c] : connections_) ::close(c.fd);
      connections_.clear();
      done_ = true;
    });
    service_->on_stop([this](std::uint64_t) { done_ = true; });
    if (options.holds) {
      service_->on_late([this](std::uint64_t) { late_ = true; });
      service_->on_moved([this](SessionId id) {
        if (options_.before_close) options_.before_close(connections_.at(id).fd);
        ::close(connections_.at(id).fd);
        connections_.erase(id);
      });
      service_->on_freeze_session([this](SessionId id) {
        connections_.at(id).frozen = true;
        if (options_.on_freeze_session) options_.on_freeze_session(id);
      });
      service_->on_thaw_session([this](SessionId id) {
        if (options_.on_thaw_session) options_.on_thaw_session(id);
        connections_.at(id).frozen = false;
      });
    }
    if (options.adjust) options.adjust(*service_);
  }

  int run() {
    try {
      service_->ready();
    } catch (const Exception& e) {
      if (e.code() == HANDOFF_ERR_ABORTED) return 3;
      throw;
    }
    if (options_.all_fds && service_->named_fd("log") < 0) {
      service_->attach("log", ::open((options_.folder + "/log").c_str(),
                                     O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    }
    if (options_.on_ready) options_.on_ready(*service_);
    while (!done_) turn();
    return 0;
  }

 private:
  Saved save(SessionId id) {
    const Connection& c = connections_.at(id);
    Saved saved(options_.save         ? options_.save(id)
                : options_.pads_state ? options_.pads_state(id, c.lines)
                                      : std::to_string(c.lines));
    saved.input = c.input;
    saved.output = c.output;
    return saved;
  }
  void restore(Adopted& a) {
    if (options_.on_restore) options_.on_restore(a.id());
    Connection& c = connections_[a.id()];
    c.frozen = service_->state() != State::kHeir;  // a late session: not before thaw_session()
    const int fd = a.take_fd();
    if (fd >= 0) c.fd = fd;
    c.lines = std::stoull(std::string(a.state().substr(0, a.state().find(' '))));
    if (options_.pads_state && a.state() != options_.pads_state(a.id(), c.lines)) {
      throw std::runtime_error("the state is not as it was saved");
    }
    c.input = a.input();
    c.output = a.output();
  }

  void turn() {
    std::vector<pollfd> fds{{service_->fd(), POLLIN, 0}};
    for (const char* name : {"public", "six", "unix", "udp"}) {
      const int fd = late_ ? -1 : service_->named_fd(name);
      if (fd >= 0) fds.push_back({fd, POLLIN, 0});
    }
    const std::size_t sockets = fds.size();
    std::vector<SessionId> ids;
    for (auto& [id, c] : connections_) {
      if (c.frozen) continue;
      fds.push_back({c.fd, static_cast<short>(c.output.empty() ? POLLIN : POLLIN | POLLOUT), 0});
      ids.push_back(id);
    }
    if (::poll(fds.data(), fds.size(), -1) < 0) return;
    for (std::size_t i = 1; i < sockets; ++i) {
      if ((fds[i].revents & POLLIN) == 0) continue;
      if (fds[i].fd == service_->named_fd("udp")) {
        datagram(fds[i].fd);
      } else {
        accept_from(fds[i].fd);
      }
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (fds[sockets + i].revents != 0) serve(ids[i]);
    }
    if (fds[0].revents != 0) service_->dispatch();
  }

  std::string stay_or_move(SessionId id, const std::string& line) {
    try {
      if (line == "stay") service_->session_stays(id, "tls");
      if (line == "move") service_->session_stays(id, nullptr);
      return "";
    } catch (const Exception& e) {
      return e.what();
    }
  }

  void accept_from(int listener) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::uint32_t flags = (options_.tracked ? HANDOFF_SESSION_TRACKED : 0) |
                                (options_.independent ? HANDOFF_SESSION_INDEPENDENT : 0);
    connections_[service_->session_open(fd, flags)].fd = fd;
  }

  void datagram(int fd) {
    char text[512];
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t n =
        ::recvfrom(fd, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0) return;
    const std::string reply =
        options_.version + " " + std::string(text, static_cast<std::size_t>(n));
    (void)::sendto(fd, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    const int log = service_->named_fd("log");
    if (log >= 0 && ::write(log, (reply + "\n").data(), reply.size() + 1) < 0) return;
  }

  void serve(SessionId id) {
    Connection& c = connections_.at(id);
    char buffer[4096];
    const ssize_t n = ::recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      service_->session_closed(id);
      ::close(c.fd);
      connections_.erase(id);
      return;
    }
    if (n > 0) c.input.append(buffer, static_cast<std::size_t>(n));
    while (options_.needs_nonblocking) {
      const ssize_t more = ::recv(c.fd, buffer, sizeof buffer, 0);
      if (more <= 0) break;
      c.input.append(buffer, static_cast<std::size_t>(more));
    }
    std::size_t end = 0;
    while ((end = c.input.find('\n')) != std::string::npos) {
      // "hold", "release" and "who" are for services that hold sessions.
      const std::string line = c.input.substr(0, end);
      if (line == "hold") service_->session_hold(id);
      if (line == "release") service_->session_release(id);
      if (line.starts_with("needs ")) service_->session_process(id, std::stoi(line.substr(6)));
      ++c.lines;
      const std::string problem = options_.stays ? stay_or_move(id, line) : "";
      if (!problem.empty()) c.output += problem + "\n";
      const auto answer = options_.answer ? options_.answer(line) : std::nullopt;
      c.output +=
          answer ? *answer + "\n"
                 : std::to_string(c.lines) + " " + (line == "who" ? options_.version : line) + "\n";
      c.input.erase(0, end + 1);
    }
    while (!c.output.empty()) {
      const ssize_t sent =
          ::send(c.fd, c.output.data(), c.output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) break;
      c.output.erase(0, static_cast<std::size_t>(sent));
    }
    if (options_.tracked) service_->session_touch(id);
  }

  LineServiceOptions options_;
  std::unique_ptr<Service> service_;
  std::map<SessionId, Connection> connections_;
  bool done_ = false;
  bool late_ = false;
};

}  // namespace

int run_line_service(const LineServiceOptions& options) { return LineService(options).run(); }

}  // namespace handoff::test
