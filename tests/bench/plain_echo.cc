// examples/echo without libhandoff: it has the protocol and the shape of the example (libuv's loop
// polls one epoll set with all connections), and nothing that would let it be upgraded.
//
//   plain_echo PORT
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "echo_lines.h"

namespace {

struct Connection {
  int fd = -1;
  std::uint64_t lines = 0;
  std::string input;   // the beginning of a line
  std::string output;  // not yet taken by the kernel
  bool queued = false;
  bool waits_to_write = false;
};

class Server {
 public:
  explicit Server(int port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        ::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0 ||
        ::listen(listener_, 4096) < 0) {
      std::perror("plain_echo");
      std::exit(1);
    }
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    poll_.data = this;
    uv_poll_init(uv_default_loop(), &poll_, epoll_);
    uv_poll_start(&poll_, UV_READABLE,
                  [](uv_poll_t* p, int, int) { static_cast<Server*>(p->data)->on_events(); });
  }

 private:
  void watch(int op, int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    (void)::epoll_ctl(epoll_, op, fd, &event);
  }
  void on_events() {
    std::array<epoll_event, 256> events;
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == listener_) {
        accept_all();
        continue;
      }
      const auto it = connections_.find(event.data.fd);
      if (it == connections_.end()) continue;
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !read_from(*it->second)) {
        ::close(it->first);
        connections_.erase(it);
        continue;
      }
      queue(*it->second);
    }
    flush();
  }
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      connections_[fd] = std::make_unique<Connection>(Connection{.fd = fd});
      watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }
  bool read_from(Connection& c) {
    const ssize_t n = ::recv(c.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    const std::string_view fresh(buffer_.data(), static_cast<std::size_t>(n));
    if (c.input.empty()) {
      const std::size_t used = bench::answer(fresh, c.lines, c.output);
      if (used < fresh.size()) c.input.append(fresh.substr(used));
    } else {
      c.input.append(fresh);
      c.input.erase(0, bench::answer(c.input, c.lines, c.output));
    }
    return true;
  }
  void queue(Connection& c) {
    if (c.queued) return;
    c.queued = true;
    pending_.push_back(c.fd);
  }
  void flush() {
    for (const int fd : pending_) {
      const auto it = connections_.find(fd);
      if (it == connections_.end()) continue;
      Connection& c = *it->second;
      c.queued = false;
      while (!c.output.empty()) {
        const ssize_t n =
            ::send(c.fd, c.output.data(), c.output.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) break;
        c.output.erase(0, static_cast<std::size_t>(n));
      }
      if (c.waits_to_write == !c.output.empty()) continue;
      c.waits_to_write = !c.output.empty();
      watch(EPOLL_CTL_MOD, fd,
            EPOLLIN | (c.waits_to_write ? std::uint32_t{EPOLLOUT} : std::uint32_t{0}));
    }
    pending_.clear();
  }

  int listener_ = -1;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  uv_poll_t poll_{};
  std::array<char, 65536> buffer_{};
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::vector<int> pending_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: plain_echo PORT\n");
    return 2;
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  const Server server(std::atoi(argv[1]));
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
