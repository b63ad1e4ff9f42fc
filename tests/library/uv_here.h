// A Host of uv.hpp in the test's own process, without a supervisor: the test turns its loop, and
// sees whether that has come to rest.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <handoff/uv.hpp>
#include <memory>
#include <string>
#include <utility>

#include "support/clients/sockets.h"
#include "support/process/deadline.h"
#include "uv_loop.h"

namespace handoff::test {

class UvHereTest : public ::testing::Test {
 protected:
  UvHereTest() {
    uv_loop_init(&loop_);
    service_ = Service::open({.name = "test", .version = "1"});
    host_ = std::make_unique<uv::Host>(&loop_, *service_);
  }
  ~UvHereTest() override {
    client_.reset();
    upstream_.reset();
    close_handles(&loop_);
    host_.reset();
    service_.reset();
    EXPECT_EQ(0, uv_loop_close(&loop_));
  }

  template <class Make>
  void serve(Make make) {
    host_->listen("public", "tcp:127.0.0.1:0", make, [make](std::string_view) { return make(); });
    host_->start();
  }
  // The only Stream, of a new client.
  uv::Stream& connect() {
    uv::Stream* out = nullptr;
    client_ = connect_tcp(port_of(service_->named_fd("public")));
    turn_until([&] { return host_->size() == 1; });
    host_->for_each([&](uv::Stream& s) { out = &s; });
    return *out;
  }
  // Turns the loop until so is true; a test that waits in vain fails.
  template <class F>
  void turn_until(F&& so) {
    const Deadline deadline = Deadline::patience();
    while (!so()) {
      ASSERT_FALSE(deadline.passed()) << "it never comes to that";
      pollfd p{uv_backend_fd(&loop_), POLLIN, 0};
      ::poll(&p, 1, 10);
      uv_run(&loop_, UV_RUN_NOWAIT);
    }
  }
  // Whether the loop has nothing to do, once what is on its way has come.
  bool rests() {
    for (int i = 0; i < 20; ++i) {
      if (!turn_once(&loop_)) return true;
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
  uv_loop_t loop_{};
  std::unique_ptr<Service> service_;
  std::unique_ptr<uv::Host> host_;
  UniqueFd client_;
  UniqueFd upstream_;
};

}  // namespace handoff::test
