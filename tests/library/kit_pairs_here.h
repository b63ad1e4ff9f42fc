// A Host with Pairs in the test's own process, without a supervisor, on each layer that has them:
// the test plays the client and the upstream, and turns the loop.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kit_here.h"
#include "support/clients/sockets.h"
#include "support/process/deadline.h"

namespace handoff::test {

// Relays to an upstream that the test names, and says what it hears.
template <class Pair>
class Heard final : public Pair {
 public:
  explicit Heard(std::vector<std::string>& heard, bool pauses = false) : heard_(heard) {
    if (pauses) this->pause_upstream();
  }
  std::size_t on_upstream(std::string_view input) override {
    heard_.push_back("upstream: " + std::string(input));
    return Pair::on_upstream(input);
  }
  void on_upstream_connected() override { heard_.push_back("connected"); }
  void on_upstream_end() override {
    heard_.push_back("upstream's end");
    Pair::on_upstream_end();
  }
  void on_upstream_refused(int) override {
    heard_.push_back("refused");
    if (other_ >= 0 && this->adopt_upstream(std::exchange(other_, -1)) < 0) {
      heard_.push_back("failed");
    }
    if (!apologizes_) return;
    this->write("away");
    this->close();
  }
  void on_closed() override { heard_.push_back("closed"); }

  int other_ = -1;  // becomes the upstream where another is refused
  bool apologizes_ = false;

 private:
  std::vector<std::string>& heard_;
};
template <class Loop>
class PairHereTest : public ::testing::Test {
 protected:
  using Pair = typename Loop::Pair;

  typename Loop::Host& host() { return loop_.host(); }
  template <class Make>
  void serve(Make make) {
    host().listen("public", "tcp:127.0.0.1:0", make, [make](std::string_view) { return make(); });
    host().start();
  }
  // The only Stream, of a new client.
  typename Loop::Stream& connect() {
    typename Loop::Stream* out = nullptr;
    client_ = connect_tcp(port_of(host().service().named_fd("public")));
    turn_until([&] { return host().size() == 1; });
    host().for_each([&](typename Loop::Stream& s) { out = &s; });
    return *out;
  }
  Heard<Pair>& pair(bool pauses = false) {
    serve([this, pauses] { return std::make_unique<Heard<Pair>>(heard_, pauses); });
    return static_cast<Heard<Pair>&>(connect());
  }
  // Gives it one end of a Unix stream as its upstream.
  void adopt_unix(Pair& pair) {
    int ends[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    upstream_.reset(ends[1]);
    ASSERT_EQ(0, pair.adopt_upstream(ends[0]));
  }
  // Turns the loop until so is true; a test that waits in vain fails.
  template <class F>
  void turn_until(F&& so) {
    const Deadline deadline = Deadline::patience();
    while (!so()) {
      ASSERT_FALSE(deadline.passed()) << "it never comes to that";
      pollfd p{loop_.fd(), POLLIN, 0};
      ::poll(&p, 1, 10);
      loop_.turn();
    }
  }
  // Whether the loop has nothing to do, once what is on its way has come.
  bool rests() {
    for (int i = 0; i < 20; ++i) {
      if (!loop_.turn()) return true;
    }
    return false;
  }
  // The next bytes of the Host; "EOF" or "RESET".
  std::string next(const UniqueFd& fd) {
    std::string out(4096, '\0');
    ssize_t n = -1;
    turn_until([&] {
      n = ::recv(fd.get(), out.data(), out.size(), MSG_DONTWAIT);
      return n >= 0 || errno != EAGAIN;
    });
    if (n < 0) return "RESET";
    return n == 0 ? "EOF" : out.substr(0, static_cast<std::size_t>(n));
  }
  // Sends as much as the Host and the sockets take.
  void fill(const UniqueFd& fd) {
    const std::string block(std::size_t{1} << 16, 'x');
    int full = 0;
    turn_until([&] {
      while (::send(fd.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        full = 0;
      }
      return ++full > 20 && rests();
    });
  }
  bool said(const std::string& what) const {
    return std::find(heard_.begin(), heard_.end(), what) != heard_.end();
  }

  std::vector<std::string> heard_;
  Loop loop_;
  UniqueFd client_;
  UniqueFd upstream_;
};

}  // namespace handoff::test
