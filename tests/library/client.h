// A client of the line service: blocking, with a deadline on everything.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/unique_fd.h"
#include "core/address.h"
#include "harness.h"

namespace handoff::test {

class Client {
 public:
  explicit Client(const std::string& address_text) {
    const auto address = core::parse_address(address_text);
    EXPECT_TRUE(address.has_value()) << address_text;
    sockaddr_storage raw{};
    socklen_t length = 0;
    if (address->kind == core::Address::Kind::kUnix) {
      auto& un = reinterpret_cast<sockaddr_un&>(raw);
      un.sun_family = AF_UNIX;
      address->host.copy(un.sun_path, sizeof un.sun_path - 1);
      length = sizeof un;
    } else if (address->v6) {
      auto& in = reinterpret_cast<sockaddr_in6&>(raw);
      in.sin6_family = AF_INET6;
      in.sin6_addr = in6addr_loopback;
      in.sin6_port = htons(address->port);
      length = sizeof in;
    } else {
      auto& in = reinterpret_cast<sockaddr_in&>(raw);
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      in.sin_port = htons(address->port);
      length = sizeof in;
    }
    const bool udp = address->kind == core::Address::Kind::kUdp;
    fd_ = UniqueFd(::socket(raw.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
    EXPECT_EQ(0, ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&raw), length))
        << address_text << ": " << std::strerror(errno);
  }

  int fd() const { return fd_.get(); }
  void send(const std::string& text) {
    ASSERT_EQ(static_cast<ssize_t>(text.size()),
              ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL));
  }
  // The next line with its '\n'; "EOF" or "RESET" at the end of the connection.
  std::string line() {
    while (true) {
      const std::size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string out = buffer_.substr(0, end + 1);
        buffer_.erase(0, end + 1);
        return out;
      }
      char bytes[65536];
      if (!readable(fd_.get())) return "TIMEOUT";
      const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
      if (n == 0) return "EOF";
      if (n < 0) return errno == ECONNRESET ? "RESET" : "ERROR";
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
  }
  std::string datagram() {
    if (!readable(fd_.get())) return "TIMEOUT";
    char bytes[2048];
    const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    return n < 0 ? "ERROR" : std::string(bytes, static_cast<std::size_t>(n));
  }

 private:
  UniqueFd fd_;
  std::string buffer_;
};

}  // namespace handoff::test
