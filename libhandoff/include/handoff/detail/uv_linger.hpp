// Connections that have ended here, and whose clients may not have read the last answer yet.
//
// close(2) with unread input sends a reset, and a reset makes the client's system discard what the
// client has not read. So the sending half ends first; then input is read and discarded until the
// client ends its half, for a bounded time (RFC 1122, 4.2.2.13). SO_LINGER is no answer: with
// unread input it resets as well.
#ifndef HANDOFF_DETAIL_UV_LINGER_HPP
#define HANDOFF_DETAIL_UV_LINGER_HPP

#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <map>
#include <vector>

namespace handoff::uv {

class Linger {
 public:
  // A client on a slow line has this long to read what is in its own system's buffers.
  static constexpr std::uint64_t kLingerMs = 5000;
  // Beyond that many at once the oldest is closed.
  static constexpr std::size_t kMaxLingering = 1024;

  Linger() = default;
  Linger(const Linger&) = delete;
  Linger& operator=(const Linger&) = delete;
  ~Linger() { close_all(); }

  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  // Milliseconds of CLOCK_MONOTONIC.
  static std::uint64_t clock_ms() {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
  }

  // Takes fd, of which the kernel has all output. The epoll set watches it from here on; the lowest
  // two bits of its events' data are 2.
  void add(int fd, int epoll, std::uint64_t now_ms) {
    if (::shutdown(fd, SHUT_WR) < 0 || at_end(fd)) return finish(fd);
    if (waiting_.size() >= kMaxLingering) end(waiting_.begin());
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = next_ << 2 | 2;
    epoll_ = epoll;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) return finish(fd);
    waiting_[next_++] = {fd, now_ms + kLingerMs};
  }
  // The set has an event with that data. The connection may have ended since.
  void on_event(std::uint64_t data) {
    const auto it = waiting_.find(data >> 2);
    if (it != waiting_.end() && at_end(it->second.fd)) end(it);
  }
  // Closes those whose time is over.
  void expire(std::uint64_t now_ms) {
    while (!waiting_.empty() && waiting_.begin()->second.until_ms <= now_ms) end(waiting_.begin());
  }
  // How long the oldest of them has; not if empty().
  std::uint64_t left_ms(std::uint64_t now_ms) const {
    const std::uint64_t until = waiting_.begin()->second.until_ms;
    return until > now_ms ? until - now_ms : 0;
  }
  // The set is about to be closed.
  void leave_set() {
    for (const auto& [key, one] : waiting_) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, one.fd, nullptr);
    epoll_ = -1;
  }
  // Waits for all of them, at most until until_ms. arrived: until the clients' systems have it all,
  // read or not.
  void wait(bool arrived, std::uint64_t until_ms) {
    constexpr int kLookMs = 10;  // nothing wakes us when the last byte is acknowledged
    for (;;) {
      expire(clock_ms());
      std::vector<pollfd> fds;
      for (auto it = waiting_.begin(); it != waiting_.end();) {
        const auto one = it++;
        if (at_end(one->second.fd) || (arrived && nothing_under_way(one->second.fd))) {
          end(one);
        } else {
          fds.push_back({one->second.fd, POLLIN, 0});
        }
      }
      const std::uint64_t now = clock_ms();
      if (fds.empty() || now >= until_ms) return;
      const std::uint64_t left = std::min(left_ms(now), until_ms - now);
      const int timeout = static_cast<int>(std::min<std::uint64_t>(left, kLingerMs));
      (void)::poll(fds.data(), fds.size(), arrived ? std::min(timeout, kLookMs) : timeout);
    }
  }
  // For want of fds. False: there is none.
  bool end_oldest() {
    if (waiting_.empty()) return false;
    end(waiting_.begin());
    return true;
  }
  void close_all() {
    while (!waiting_.empty()) end(waiting_.begin());
  }

 private:
  struct One {
    int fd = -1;
    std::uint64_t until_ms = 0;
  };
  using Waiting = std::map<std::uint64_t, One>;  // the oldest first

  // Reads and discards. The bound is against a client that sends as fast as this reads.
  static bool at_end(int fd) {
    std::array<char, 16384> discarded;
    for (int n = 0; n < 16; ++n) {
      const ssize_t got = ::recv(fd, discarded.data(), discarded.size(), MSG_DONTWAIT);
      if (got == 0) return true;
      if (got < 0 && errno != EINTR) return errno != EAGAIN;
    }
    return false;
  }
  static bool nothing_under_way(int fd) {
    int bytes = 0;
    return ::ioctl(fd, SIOCOUTQ, &bytes) < 0 || bytes == 0;
  }
  // Another process may have the socket open, a donor or an heir, so close(2) alone does not end
  // the connection.
  static void finish(int fd) {
    (void)::shutdown(fd, SHUT_RDWR);
    ::close(fd);
  }
  void end(Waiting::iterator it) {
    if (epoll_ >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, it->second.fd, nullptr);
    finish(it->second.fd);
    waiting_.erase(it);
  }

  Waiting waiting_;
  std::uint64_t next_ = 0;
  int epoll_ = -1;  // borrowed
};

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_LINGER_HPP
