#include "support/clients/sockets.h"

#include <arpa/inet.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace handoff::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

UniqueFd make_socket(int family, int type) {
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) fail("socket");
  return fd;
}

template <class Address>
UniqueFd connected(UniqueFd fd, const Address& address) {
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), raw, sizeof address) == 0) return fd;
  const int error = errno;
  fd.reset();
  errno = error;
  return fd;
}

template <class Address>
UniqueFd listening(UniqueFd fd, const Address& address) {
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(fd.get(), raw, sizeof address) < 0 || ::listen(fd.get(), SOMAXCONN) < 0) {
    fail("listening");
  }
  return fd;
}

}  // namespace

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd connect_tcp(int port) {
  return connected(make_socket(AF_INET, SOCK_STREAM), loopback(port));
}

UniqueFd connect_unix(const std::string& path, int type) {
  return connected(make_socket(AF_UNIX, type), unix_address(path));
}

UniqueFd listen_on_loopback(int flags) {
  return listening(make_socket(AF_INET, SOCK_STREAM | flags), loopback(0));
}

UniqueFd listen_unix(const std::string& path, int type) {
  return listening(make_socket(AF_UNIX, type), unix_address(path));
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) < 0) fail("getsockname");
  return ntohs(address.sin_port);
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string read_to_end(int fd, Deadline deadline) {
  std::string text;
  for (;;) {
    if (!readable(fd, deadline)) throw std::runtime_error("no end came, but '" + text + "'");
    std::array<char, 4096> chunk;
    const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n <= 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace handoff::test
