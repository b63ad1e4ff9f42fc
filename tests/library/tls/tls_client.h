// A TLS client on a real socket: OpenSSL's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "../../unit/tls/peer.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::test {

// A client of "tcp:127.0.0.1:PORT" whose calls block.
class TlsClient {
 public:
  TlsClient(SSL_CTX* context, const std::string& address) : ssl_(SSL_new(context)) {
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to));
    SSL_set_fd(ssl_.get(), fd_.get());
  }
  bool shake_hands() {
    if (!rest_.empty()) {
      ::send(fd_.get(), rest_.data(), rest_.size(), 0);
      SSL_set_fd(ssl_.get(), fd_.get());
      ::fcntl(fd_.get(), F_SETFL, 0);
    }
    return SSL_connect(ssl_.get()) == 1;
  }
  // Sends half of the first message; shake_hands() sends the rest.
  void shake_half_a_hand() {
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    BIO* const output = BIO_new(BIO_s_mem());
    SSL_set0_wbio(ssl_.get(), output);
    EXPECT_EQ(-1, SSL_connect(ssl_.get()));
    std::string hello(BIO_ctrl_pending(output), '\0');
    BIO_read(output, hello.data(), static_cast<int>(hello.size()));
    EXPECT_EQ(20, ::send(fd_.get(), hello.data(), 20, 0));
    rest_ = hello.substr(20);
  }
  bool write(std::string_view text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  // Exactly so many bytes, or what came before the end.
  std::string read(std::size_t size) {
    std::string out(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      const int n = SSL_read(ssl_.get(), out.data() + got, static_cast<int>(size - got));
      if (n <= 0) {
        error_ = SSL_get_error(ssl_.get(), n);
        break;
      }
      got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return out;
  }
  std::string ask(std::string_view text) { return write(text) ? read(text.size()) : "not sent"; }
  // Up to the end of a line, that included.
  std::string line() {
    std::string out;
    while (!out.ends_with('\n')) {
      const std::string byte = read(1);
      if (byte.empty()) break;
      out += byte;
    }
    return out;
  }
  // So many bytes as they come, without TLS.
  std::string raw(std::size_t size) const {
    std::string out(size, '\0');
    ::fcntl(fd_.get(), F_SETFL, 0);
    const ssize_t n = ::recv(fd_.get(), out.data(), size, MSG_WAITALL);
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }
  // Waits for the end of a stream that has no more bytes.
  bool is_ended() const {
    char byte = 0;
    ::fcntl(fd_.get(), F_SETFL, 0);
    return ::recv(fd_.get(), &byte, 1, 0) == 0;
  }
  int error() const { return error_; }
  SSL* ssl() const { return ssl_.get(); }

 private:
  UniqueFd fd_;
  std::unique_ptr<SSL, tls::test::FreeSsl> ssl_;
  int error_ = 0;
  std::string rest_;
};

}  // namespace handoff::test
