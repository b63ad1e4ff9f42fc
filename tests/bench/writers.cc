#include "writers.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "clock.h"
#include "epoll_set.h"
#include "sockets.h"

namespace bench {
namespace {

using handoff::UniqueFd;
using nlohmann::json;

constexpr std::uint64_t kOrders = ~std::uint64_t{0};  // epoll's data for the socket of the orders
constexpr std::string_view kAnswer = "+OK\r\n";
constexpr std::size_t kKeyBytes = 10;
constexpr std::uint64_t kTickNs = 1'000'000;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kPatienceNs = 20'000'000'000;
// What may wait in a connection while the service does not read: more than a freeze lasts.
constexpr std::size_t kMostUnsent = std::size_t{64} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Clients {
 public:
  Clients() { epoll_.add(kRoleSocket, kOrders); }

  void run() {
    while (turn()) {
    }
  }

 private:
  struct Connection {
    UniqueFd fd;
    std::string unsent = {};
    std::size_t sent = 0;  // of unsent
    bool waits = false;    // for room in the socket
    std::uint64_t unanswered = 0;
    std::size_t answer_at = 0;  // bytes of the present answer that have come
  };

  bool turn() {
    write_due();
    const auto tick = per_second_ > 0 ? std::optional(kTickNs) : std::nullopt;
    std::array<epoll_event, 256> room;
    for (const epoll_event& event : epoll_.wait(room, tick)) {
      if (event.data.u64 == kOrders) {
        if (!obey()) return false;
        continue;
      }
      Connection& c = connections_[event.data.u64];
      if ((event.events & EPOLLOUT) != 0) flush(event.data.u64);
      if ((event.events & ~EPOLLOUT) != 0) read(c);
    }
    return true;
  }

  bool obey() {
    const auto order = hear(kRoleSocket);
    if (!order) return false;
    const json& body = order->body;
    if (body.contains("connect")) {
      keys_ = {.count = body.at("keys"), .value_bytes = body.at("value_bytes")};
      for (std::size_t i = body.at("connect"); i > 0; --i) {
        UniqueFd fd = connect_tcp(body.at("port"));
        set_nonblocking(fd.get());
        epoll_.add(fd.get(), connections_.size());
        connections_.push_back({std::move(fd)});
      }
    } else if (body.contains("fill")) {
      for (std::size_t key = 0; key < keys_.count; ++key) {
        set(key);
        if (key % 1000 == 999) drain(1000);
      }
      drain(0);
    } else if (body.contains("rate")) {
      per_second_ = body.at("rate");
      begun_ns_ = now_ns();
      written_ = answered_ = 0;
    } else if (body.contains("stop")) {
      per_second_ = 0;
      drain(0);
      say(kRoleSocket, {{"answered", answered_}});
      return true;
    }
    say(kRoleSocket, json::object());
    return true;
  }

  // Until no more than so many are unanswered.
  void drain(std::uint64_t most) {
    for (std::size_t i = 0; i < connections_.size(); ++i) flush(i);
    const std::uint64_t until = now_ns() + kPatienceNs;
    while (unanswered_ > most) {
      if (now_ns() > until) throw std::runtime_error("writers: the service does not answer");
      std::array<epoll_event, 256> room;
      for (const epoll_event& event : epoll_.wait(room, kSecondNs)) {
        const std::uint64_t which = event.data.u64;
        if (which == kOrders) continue;  // an order waits for the answer to this one
        flush(which);
        read(connections_[which]);
      }
    }
  }

  void write_due() {
    if (per_second_ <= 0) return;
    const double seconds = static_cast<double>(now_ns() - begun_ns_) / 1e9;
    const auto due = static_cast<std::uint64_t>(seconds * per_second_);
    for (; written_ < due; ++written_) set(random_() % keys_.count);
    for (std::size_t i = 0; i < connections_.size(); ++i) flush(i);
  }

  void set(std::size_t key) {
    Connection& c = connections_[next_++ % connections_.size()];
    if (c.unsent.size() - c.sent > kMostUnsent) throw std::runtime_error("writers: nobody reads");
    std::array<char, 64> head;
    const int length =
        std::snprintf(head.data(), head.size(), "*3\r\n$3\r\nSET\r\n$%zu\r\nk%09zu\r\n$%zu\r\n",
                      kKeyBytes, key, keys_.value_bytes);
    c.unsent.append(head.data(), static_cast<std::size_t>(length));
    c.unsent.append(keys_.value_bytes, 'v');
    c.unsent += "\r\n";
    ++c.unanswered;
    ++unanswered_;
  }

  void flush(std::size_t index) {
    Connection& c = connections_[index];
    while (c.sent < c.unsent.size()) {
      const ssize_t n = ::send(c.fd.get(), c.unsent.data() + c.sent, c.unsent.size() - c.sent,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (n < 0) fail("writers: send");
      c.sent += static_cast<std::size_t>(n);
    }
    if (c.sent == c.unsent.size()) {
      c.unsent.clear();
      c.sent = 0;
    }
    const bool waits = !c.unsent.empty();
    if (waits == c.waits) return;
    c.waits = waits;
    epoll_.change(c.fd.get(), index, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  void read(Connection& c) {
    std::array<char, 16384> buffer;
    const ssize_t n = ::recv(c.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) throw std::runtime_error("writers: a connection was lost");
    for (ssize_t i = 0; i < n; ++i) {
      if (c.unanswered == 0 || buffer[static_cast<std::size_t>(i)] != kAnswer[c.answer_at]) {
        throw std::runtime_error("writers: an answer is not OK");
      }
      if (++c.answer_at < kAnswer.size()) continue;
      c.answer_at = 0;
      --c.unanswered;
      --unanswered_;
      ++answered_;
    }
  }

  EpollSet epoll_;
  std::vector<Connection> connections_;
  Keys keys_;
  std::mt19937_64 random_{20};  // every run writes the same
  std::size_t next_ = 0;
  double per_second_ = 0;
  std::uint64_t begun_ns_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t unanswered_ = 0;
};

}  // namespace

int writers() {
  raise_fd_limit();
  Clients clients;
  clients.run();
  return 0;
}

Writers::Writers(int port, std::size_t connections, const Keys& keys) {
  process_.ask({{"connect", connections},
                {"port", port},
                {"keys", keys.count},
                {"value_bytes", keys.value_bytes}});
}

void Writers::fill() { process_.ask({{"fill", true}}); }
void Writers::begin(double per_second) { process_.ask({{"rate", per_second}}); }
std::uint64_t Writers::stop() { return process_.ask({{"stop", true}}).body.at("answered"); }

}  // namespace bench
