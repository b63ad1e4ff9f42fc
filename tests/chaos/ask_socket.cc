#include "ask_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "support/clients/sockets.h"

namespace chaos {
namespace {

constexpr int kTimes = 12;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

AskSocket::AskSocket(std::string path)
    : path_(std::move(path)),
      listener_(handoff::test::listen_unix(path_, SOCK_SEQPACKET | SOCK_NONBLOCK)) {}

std::vector<Asked> AskSocket::poll(int timeout_ms) {
  std::vector<Asked> out;
  pollfd p{listener_.get(), POLLIN, 0};
  if (::poll(&p, 1, timeout_ms) < 0 && errno != EINTR) fail("poll");
  for (;;) {
    handoff::UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) break;
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) fail("SO_PEERCRED");
    // A process that connects sends the point's name at once, or has died since.
    std::array<char, 256> text{};
    const ssize_t n = ::recv(fd.get(), text.data(), text.size(), 0);
    if (n <= 0) continue;
    out.emplace_back(std::move(fd), std::string(text.data(), static_cast<std::size_t>(n)), who.pid);
  }
  return out;
}

std::string AskSocket::orders(const std::string& point) const {
  std::string out;
  for (int nth = 1; nth <= kTimes; ++nth) {
    if (nth > 1) out += ',';
    out += point + "@" + std::to_string(nth) + "=ask:" + path_;
  }
  return out;
}

}  // namespace chaos
