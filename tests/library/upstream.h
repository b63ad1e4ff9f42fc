// What a service connects to, played by the test.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <stdexcept>
#include <string>

#include "support/clients/sockets.h"

namespace handoff::test {

inline std::string address_of(const UniqueFd& listener) {
  return "tcp:127.0.0.1:" + std::to_string(port_of(listener.get()));
}
inline UniqueFd accept_from(const UniqueFd& listener) {
  pollfd p{listener.get(), POLLIN, 0};
  if (::poll(&p, 1, 10'000) != 1) throw std::runtime_error("nobody connects");
  return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}
// The next bytes; "EOF" or "RESET".
inline std::string next(const UniqueFd& fd) {
  pollfd p{fd.get(), POLLIN, 0};
  if (::poll(&p, 1, 10'000) != 1) return "nothing";
  char bytes[4096];
  const ssize_t n = ::recv(fd.get(), bytes, sizeof bytes, 0);
  if (n < 0) return "RESET";
  return n == 0 ? "EOF" : std::string(bytes, static_cast<std::size_t>(n));
}
// Its queue holds one connection: while that is not accepted the next is neither made nor refused.
inline UniqueFd listen_for_one() {
  UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in at = loopback(0);
  if (::bind(out.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0 ||
      ::listen(out.get(), 0) < 0) {
    throw std::runtime_error("listen");
  }
  return out;
}

}  // namespace handoff::test
