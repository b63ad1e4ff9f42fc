#include "line_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace test {

LineClient::LineClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
}

void LineClient::say(std::string_view line) { send(std::string(line) + "\n"); }

void LineClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) throw std::system_error(errno, std::generic_category(), "send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool LineClient::receive(Deadline deadline) {
  pollfd p{fd_.get(), POLLIN, 0};
  if (::poll(&p, 1, deadline.milliseconds()) == 0) {
    throw std::runtime_error("nothing came; so far there is '" + input_ + "'");
  }
  std::array<char, 16384> buffer;
  const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (n < 0) throw std::system_error(errno, std::generic_category(), "recv");
  input_.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0;
}

std::string LineClient::next(Deadline deadline) {
  for (;;) {
    const std::size_t end = input_.find('\n');
    if (end != std::string::npos) {
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      return line;
    }
    if (!receive(deadline)) throw std::runtime_error("the connection was closed");
  }
}

std::string LineClient::next_with(std::string_view text, Deadline deadline) {
  for (;;) {
    std::string line = next(deadline);
    if (line.find(text) != std::string::npos) return line;
  }
}

bool LineClient::at_end(Deadline deadline) { return !receive(deadline) && input_.empty(); }

}  // namespace test
