#include "support/clients/line_client.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "libhandoff/core/address.h"
#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

UniqueFd connect_to(const std::string& text) {
  const auto address = core::parse_address(text);
  if (!address) throw std::runtime_error("no address: " + text);
  const bool udp = address->kind == core::Address::Kind::kUdp;
  if (address->kind == core::Address::Kind::kUnix) return connect_unix(address->host, SOCK_STREAM);
  if (!udp && !address->v6) return connect_tcp(address->port);
  sockaddr_storage raw{};
  socklen_t length = sizeof(sockaddr_in);
  if (address->v6) {
    auto& in = reinterpret_cast<sockaddr_in6&>(raw);
    in.sin6_family = AF_INET6;
    const std::size_t end = std::min(address->host.find('%'), address->host.size());
    (void)::inet_pton(AF_INET6, address->host.substr(0, end).c_str(), &in.sin6_addr);
    if (IN6_IS_ADDR_UNSPECIFIED(&in.sin6_addr)) in.sin6_addr = in6addr_loopback;
    if (end < address->host.size()) {
      in.sin6_scope_id = ::if_nametoindex(address->host.c_str() + end + 1);
    }
    in.sin6_port = htons(address->port);
    length = sizeof in;
  } else {
    reinterpret_cast<sockaddr_in&>(raw) = loopback(address->port);
  }
  UniqueFd fd(::socket(raw.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&raw), length) < 0) return UniqueFd();
  return fd;
}

UniqueFd checked(UniqueFd fd) {
  if (!fd.valid()) throw std::system_error(errno, std::generic_category(), "connect");
  return fd;
}

}  // namespace

LineClient::LineClient(int port) : fd_(checked(connect_tcp(port))) {}
LineClient::LineClient(const std::string& address) : fd_(checked(connect_to(address))) {}

void LineClient::say(std::string_view line) { send(std::string(line) + "\n"); }
void LineClient::send(std::string_view bytes) { send_all(fd_.get(), bytes); }

LineClient::Came LineClient::receive(Deadline deadline) {
  if (!readable(fd_.get(), deadline)) {
    throw std::runtime_error("nothing came; so far there is '" + input_ + "'");
  }
  std::array<char, 65536> buffer;
  const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == ECONNRESET) return Came::kReset;
  if (n < 0) throw std::system_error(errno, std::generic_category(), "recv");
  if (n == 0) return Came::kEof;
  input_.append(buffer.data(), static_cast<std::size_t>(n));
  return Came::kBytes;
}

std::string LineClient::next(Deadline deadline) {
  for (;;) {
    const std::size_t end = input_.find('\n');
    if (end != std::string::npos) {
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      return line;
    }
    const Came came = receive(deadline);
    if (came == Came::kReset) throw std::runtime_error("the connection was reset");
    if (came == Came::kEof) throw std::runtime_error("the connection was closed");
  }
}

std::string LineClient::next_with(std::string_view text, Deadline deadline) {
  for (;;) {
    std::string line = next(deadline);
    if (line.find(text) != std::string::npos) return line;
  }
}

std::string LineClient::ask(std::string_view line) {
  say(line);
  return next();
}

std::string LineClient::line() {
  while (input_.find('\n') == std::string::npos) {
    const Came came = receive(Deadline::patience());
    if (came != Came::kBytes) return came == Came::kEof ? "EOF" : "RESET";
  }
  return next() + "\n";
}

std::string LineClient::datagram() {
  if (input_.empty() && receive(Deadline::patience()) != Came::kBytes) return "EOF";
  return std::exchange(input_, {});
}

bool LineClient::at_end() { return receive(Deadline::patience()) == Came::kEof && input_.empty(); }

}  // namespace handoff::test
