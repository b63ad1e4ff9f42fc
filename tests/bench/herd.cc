#include "herd.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "clock.h"
#include "epoll_set.h"
#include "sockets.h"
#include "tls_client.h"

namespace bench {
namespace {

using handoff::UniqueFd;
using nlohmann::json;

constexpr std::uint64_t kOrders = ~std::uint64_t{0};  // epoll's data for the socket of the orders
// A request of more waits for room in the socket: the service reads meanwhile, and answers briefly.
constexpr std::size_t kAtOnce = 65536;
constexpr std::uint64_t kPatienceNs = 20'000'000'000;

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
    std::uint64_t sent_ns = 0;  // 0: nothing is under way
    std::unique_ptr<TlsClient> tls = nullptr;
  };

  bool turn() {
    send_due();
    std::optional<std::uint64_t> left;
    if (interval_ns_ > 0) {
      const std::uint64_t now = now_ns();
      left = due_ns_ > now ? due_ns_ - now : 0;
    }
    std::array<epoll_event, 256> room;
    for (const epoll_event& event : epoll_.wait(room, left)) {
      const std::uint64_t which = event.data.u64;
      if (which == kOrders) {
        if (!obey()) return false;
      } else {
        read_answer(which);
      }
    }
    return true;
  }

  bool obey() {
    const auto order = hear(kRoleSocket);
    if (!order) return false;
    const json& body = order->body;
    if (body.contains("connect")) {
      request_ = std::string(body.at("bytes").get<std::size_t>() - 1, body.at("kind").get<char>());
      request_ += '\n';
      for (std::size_t i = body.at("connect"); i > 0; --i) connect(body.at("port"), body.at("tls"));
      say(kRoleSocket, json::object());
    } else if (body.contains("each")) {
      each_left_ = connections_.size();
      for (std::size_t i = 0; i < connections_.size(); ++i) send(i);
    } else if (body.contains("rate")) {
      interval_ns_ = static_cast<std::uint64_t>(1e9 / body.at("rate").get<double>());
      due_ns_ = now_ns();
      sampling_ = true;
      say(kRoleSocket, json::object());
    } else if (body.contains("under_way")) {
      sampling_ = closed_loop_ = true;
      stay_ = body.at("stay");
      for (std::size_t i = body.at("under_way"); i > 0; --i) send_next();
      say(kRoleSocket, json::object());
    } else if (body.contains("stop")) {
      stop();
    }
    return true;
  }

  void connect(int port, bool tls) {
    Connection c{.fd = connect_tcp(port)};
    if (tls) c.tls = shake_hands(c.fd.get());
    epoll_.add(c.fd.get(), connections_.size());
    connections_.push_back(std::move(c));
  }

  void send(std::size_t index) {
    Connection& c = connections_[index];
    if (!c.fd.valid()) throw std::runtime_error("a connection was closed by the service");
    c.sent_ns = now_ns();
    const std::string_view wire = c.tls ? c.tls->seal(request_) : std::string_view(request_);
    const int flags = MSG_NOSIGNAL | (wire.size() > kAtOnce ? 0 : MSG_DONTWAIT);
    const ssize_t n = ::send(c.fd.get(), wire.data(), wire.size(), flags);
    if (n != static_cast<ssize_t>(wire.size())) fail("herd: a request could not be sent");
    ++under_way_;
  }

  // Each request goes to another connection, far from the one before. Every run has the same order.
  void send_next() {
    for (std::size_t tries = 0; tries < connections_.size(); ++tries) {
      next_ = (next_ + kStride) % connections_.size();
      if (connections_[next_].sent_ns == 0) return send(next_);
    }
    // Every connection waits for an answer, so this request is left out.
  }

  void send_due() {
    if (interval_ns_ == 0) return;
    for (const std::uint64_t now = now_ns(); due_ns_ <= now; due_ns_ += interval_ns_) send_next();
  }

  void read_answer(std::size_t index) {
    Connection& c = connections_[index];
    const ssize_t n = ::recv(c.fd.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      if (c.sent_ns != 0)
        throw std::runtime_error("a connection was lost that waits for an answer");
      c.fd.reset();
      return;
    }
    const std::string_view fresh(buffer_.data(), static_cast<std::size_t>(n));
    if (!(c.tls ? c.tls->ends_line(fresh) : fresh.ends_with('\n'))) return;
    if (sampling_) samples_.push_back({c.sent_ns, now_ns()});
    c.sent_ns = 0;
    --under_way_;
    if (each_left_ > 0 && --each_left_ == 0) say(kRoleSocket, json::object());
    if (!closed_loop_) return;
    if (stay_) {
      send(index);
    } else {
      send_next();
    }
  }

  void stop() {
    interval_ns_ = 0;
    closed_loop_ = false;
    const std::uint64_t until = now_ns() + kPatienceNs;
    while (under_way_ > 0 && now_ns() < until) turn();
    for (Connection& c : connections_) {
      if (c.sent_ns != 0) samples_.push_back({c.sent_ns, 0});
    }
    const UniqueFd memory(::memfd_create("samples", MFD_CLOEXEC));
    const char* at = reinterpret_cast<const char*>(samples_.data());
    for (std::size_t left = samples_.size() * sizeof(Sample); left > 0;) {
      const ssize_t n = ::write(memory.get(), at, left);
      if (n < 0) fail("herd: samples");
      at += n;
      left -= static_cast<std::size_t>(n);
    }
    say(kRoleSocket, {{"samples", samples_.size()}}, {memory.get()});
    samples_.clear();
    sampling_ = false;
  }

  static constexpr std::size_t kStride =
      7919;  // a prime that divides no number of connections here

  EpollSet epoll_;
  std::array<char, 65536> buffer_{};
  std::string request_;
  std::vector<Connection> connections_;
  std::vector<Sample> samples_;
  std::size_t next_ = 0;
  std::size_t under_way_ = 0;
  std::size_t each_left_ = 0;
  std::uint64_t interval_ns_ = 0;
  std::uint64_t due_ns_ = 0;
  bool sampling_ = false;
  bool closed_loop_ = false;
  bool stay_ = false;
};

}  // namespace

int herd() {
  raise_fd_limit();
  Clients clients;
  clients.run();
  return 0;
}

void Herd::connect(int port, std::size_t connections, const Ask& ask) {
  process_.ask({{"connect", connections},
                {"port", port},
                {"tls", ask.tls},
                {"kind", ask.kind},
                {"bytes", ask.bytes}});
}
void Herd::ask_each() { process_.ask({{"each", true}}); }
void Herd::load_at_rate(double per_second) { process_.ask({{"rate", per_second}}); }
void Herd::load_with(std::size_t under_way, bool stay) {
  process_.ask({{"under_way", under_way}, {"stay", stay}});
}

std::vector<Sample> Herd::stop() {
  const Message message = process_.ask({{"stop", true}});
  std::vector<Sample> samples(message.body.at("samples").get<std::size_t>());
  const std::size_t bytes = samples.size() * sizeof(Sample);
  std::size_t got = 0;
  while (got < bytes) {
    const ssize_t n =
        ::pread(message.fds.at(0).get(), reinterpret_cast<char*>(samples.data()) + got, bytes - got,
                static_cast<off_t>(got));
    if (n <= 0) throw std::runtime_error("the herd's samples are cut");
    got += static_cast<std::size_t>(n);
  }
  return samples;
}

}  // namespace bench
