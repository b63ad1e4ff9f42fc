#include "support/clients/relay_load.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "support/clients/sockets.h"
#include "support/process/deadline.h"

namespace handoff::test {
namespace {

constexpr std::size_t kAtOnce = std::size_t{64} << 10;

void invert(char* bytes, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(~bytes[i]);
}

// No two transfers have the same bytes, nor has one a period that a buffer could hide.
std::string payload(std::uint64_t number) {
  std::uint64_t x = number * 0x9e3779b97f4a7c15 + 1;
  const auto next = [&x] {
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
  };
  std::string out((std::size_t{16} << 10) + next() % (std::size_t{512} << 10), '\0');
  for (std::size_t i = 0; i + 8 <= out.size(); i += 8) {
    const std::uint64_t word = next();
    std::memcpy(out.data() + i, &word, 8);
  }
  return out;
}

// One connection of the server: what it has read and not given back.
struct Held {
  UniqueFd fd;
  std::string bytes = {};
  bool ended = false;
  // False once it is over.
  bool turn() {
    if (bytes.size() < kAtOnce && !ended) {
      std::array<char, kAtOnce> buffer;
      const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return false;
      if (n == 0) ended = true;
      if (n > 0) {
        invert(buffer.data(), static_cast<std::size_t>(n));
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
      }
    }
    if (!bytes.empty()) {
      const ssize_t n = ::send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) bytes.erase(0, static_cast<std::size_t>(n));
    }
    return !ended || !bytes.empty();
  }
  short events() const {
    const bool reads = bytes.size() < kAtOnce && !ended;
    return static_cast<short>((reads ? POLLIN : 0) | (bytes.empty() ? 0 : POLLOUT));
  }
};

}  // namespace

InvertingServer::InvertingServer()
    : listener_(listen_on_loopback(SOCK_NONBLOCK)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { serve(); });
}
InvertingServer::~InvertingServer() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}
int InvertingServer::port() const { return port_of(listener_.get()); }

void InvertingServer::serve() {
  std::map<int, Held> all;
  for (;;) {
    std::vector<pollfd> fds{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const auto& [fd, held] : all) fds.push_back({fd, held.events(), 0});
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[0].revents != 0) return;
    for (std::size_t i = 2; i < fds.size(); ++i) {
      if (fds[i].revents != 0 && !all.at(fds[i].fd).turn()) all.erase(fds[i].fd);
    }
    if (fds[1].revents == 0) continue;
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const int number = fd.get();
    if (fd.valid()) all.emplace(number, Held{std::move(fd)});
  }
}

RelayLoad::RelayLoad(int port, std::size_t clients) : port_(port) {
  for (std::uint64_t i = 0; i < clients; ++i) threads_.emplace_back([this, i] { run(i); });
}
RelayLoad::~RelayLoad() { stop(); }

std::string RelayLoad::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return fault_;
}

void RelayLoad::run(std::uint64_t client) {
  for (std::uint64_t n = 0; !stopping_; ++n) {
    const std::uint64_t before = upgrades_;
    const std::string fault = transfer(client << 32 | n);
    if (!fault.empty()) {
      const std::lock_guard held(lock_);
      if (fault_.empty()) fault_ = "transfer " + std::to_string(transfers_) + ": " + fault;
      return;
    }
    ++transfers_;
    if (upgrades_ != before) ++moved_;
  }
}

std::string RelayLoad::transfer(std::uint64_t number) {
  const std::string out = payload(number);
  const UniqueFd fd = connect_tcp(port_);
  if (!fd.valid()) return std::string("connect: ") + std::strerror(errno);
  std::size_t sent = 0;
  std::size_t got = 0;
  std::array<char, kAtOnce> buffer;
  const Deadline deadline = Deadline::patience();
  while (!deadline.passed()) {
    pollfd p{fd.get(), static_cast<short>(sent < out.size() ? POLLIN | POLLOUT : POLLIN), 0};
    ::poll(&p, 1, deadline.milliseconds());
    if ((p.revents & POLLOUT) != 0) {
      const ssize_t n = ::send(fd.get(), out.data() + sent, std::min(kAtOnce, out.size() - sent),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return std::string("send: ") + std::strerror(errno);
      if (n > 0) sent += static_cast<std::size_t>(n);
      if (sent == out.size()) ::shutdown(fd.get(), SHUT_WR);
    }
    if ((p.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0) return std::string("recv: ") + std::strerror(errno);
    if (n == 0) {
      if (got == out.size()) return {};
      return "the end came after " + std::to_string(got) + " of " + std::to_string(out.size()) +
             " bytes";
    }
    const auto size = static_cast<std::size_t>(n);
    invert(buffer.data(), size);
    if (got + size > out.size() || std::memcmp(buffer.data(), out.data() + got, size) != 0) {
      return "other bytes than were sent, from " + std::to_string(got) + " on";
    }
    got += size;
    bytes_ += size;
  }
  return "silence after " + std::to_string(got) + " of " + std::to_string(out.size()) + " bytes";
}

}  // namespace handoff::test
