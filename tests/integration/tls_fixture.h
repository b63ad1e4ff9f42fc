// Real TLS clients into which a test types.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/clients/line_client.h"
#include "support/process/certificate.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {

// A program whose input the test types. What is typed at once is read at once.
class Typed {
 public:
  // command[0] is looked for in $PATH.
  explicit Typed(const std::vector<std::string>& command)
      : input_(make_input(folder_ / "input")), process_(with_input(command)) {}

  void type(std::string_view text) const {
    if (::write(input_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("typing has failed");
    }
  }
  // Waits until the text was printed so many times; throws with what was printed instead.
  void wait_for(std::string_view text, int times = 1) {
    const Deadline deadline = Deadline::patience();
    for (;;) {
      const std::size_t written = process_.written();
      const std::string all = printed();
      int found = 0;
      for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
        ++found;
      }
      if (found >= times) return;
      if (!process_.wait_for_more(written, deadline)) {
        throw std::runtime_error("waited in vain for '" + std::string(text) + "': " + all);
      }
    }
  }
  std::string printed() const { return process_.out() + process_.err(); }

 private:
  // Open for both, a FIFO makes nobody wait for the other end.
  static UniqueFd make_input(const std::string& path) {
    if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("a FIFO can't be made");
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }
  std::vector<std::string> with_input(const std::vector<std::string>& command) const {
    std::vector<std::string> out = {"/bin/sh", "-c", "input=$1; shift; exec \"$@\" <\"$input\"",
                                    "sh", folder_ / "input"};
    out.insert(out.end(), command.begin(), command.end());
    return out;
  }

  TempDir folder_;
  UniqueFd input_;
  Process process_;
};

// OpenSSL's client, to a port of this host; it ends the connection if it does not trust it.
inline std::vector<std::string> s_client(int port, const Certificate& trusted,
                                         const std::vector<std::string>& flags) {
  std::vector<std::string> out = {"openssl",
                                  "s_client",
                                  "-connect",
                                  "127.0.0.1:" + std::to_string(port),
                                  "-CAfile",
                                  trusted.path(),
                                  "-verify_return_error"};
  out.insert(out.end(), flags.begin(), flags.end());
  return out;
}

// A client that sends the first bytes of its handshake, rests, and then goes on with all that it
// can send at once: the end of the handshake and a request.
class SlowClient {
 public:
  explicit SlowClient(int port)
      : socket_(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    SSL_do_handshake(ssl_.get());
    hello_ = made();
    socket_.send(std::string_view(hello_).substr(0, 20));
  }
  // The answer has as many bytes. Any number of times.
  std::string ask(std::string_view request, std::size_t size) {
    if (!hello_.empty()) socket_.send(std::string_view(hello_).substr(20));
    hello_.clear();
    while (SSL_do_handshake(ssl_.get()) != 1) receive();
    if (!request.empty()) {
      SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size()));
    }
    socket_.send(made());
    std::string answer;
    while (answer.size() < size) {
      std::array<char, 4096> bytes{};
      const int n = SSL_read(ssl_.get(), bytes.data(), bytes.size());
      if (n > 0) {
        answer.append(bytes.data(), static_cast<std::size_t>(n));
      } else {
        receive();
      }
    }
    return answer;
  }
  // One record of it. `between` is called when all but its last byte are sent.
  template <class F>
  void send_in_parts(std::string_view text, F&& between) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    const std::string record = made();
    socket_.send(std::string_view(record).substr(0, record.size() - 1));
    between();
    socket_.send(std::string_view(record).substr(record.size() - 1));
  }

 private:
  std::string made() const {
    std::string out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
    BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
    return out;
  }
  void receive() {
    const std::string bytes = socket_.datagram();
    if (bytes == "EOF") throw std::runtime_error("the service has ended the connection");
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }

  struct Free {
    void operator()(SSL* p) const { SSL_free(p); }
  };
  LineClient socket_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, Free> ssl_;
  std::string hello_;
};

}  // namespace handoff::test
