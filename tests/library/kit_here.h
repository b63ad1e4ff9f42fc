// A Host in the test's own process, without a supervisor, on each layer that has Streams: the test
// turns its loop.
#pragma once

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <handoff/asio_pair.hpp>
#include <handoff/uv_pair.hpp>
#include <memory>

#include "uv_loop.h"

namespace handoff::test {

class AsioLoop {
 public:
  using Host = handoff::asio::Host;
  using Stream = handoff::asio::Stream;
  using Pair = handoff::asio::Pair;

  Host& host() { return host_; }
  // Readable when there is something to do.
  int fd() const { return handoff_poll_fd(host_.kit()); }
  // Turns the loop without waiting. False: there was nothing to do.
  bool turn() { return io_.poll() != 0; }

 private:
  std::unique_ptr<Service> service_ = Service::open({.name = "test", .version = "1"});
  ::asio::io_context io_;
  Host host_{io_, *service_};
};

class UvLoop {
 public:
  using Host = uv::Host;
  using Stream = uv::Stream;
  using Pair = uv::Pair;

  UvLoop() {
    uv_loop_init(&loop_);
    service_ = Service::open({.name = "test", .version = "1"});
    host_ = std::make_unique<Host>(&loop_, *service_);
  }
  ~UvLoop() {
    close_handles(&loop_);
    host_.reset();
    service_.reset();
    EXPECT_EQ(0, uv_loop_close(&loop_));
  }
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;

  Host& host() { return *host_; }
  int fd() const { return uv_backend_fd(&loop_); }
  bool turn() { return turn_once(&loop_); }

 private:
  uv_loop_t loop_{};
  std::unique_ptr<Service> service_;
  std::unique_ptr<Host> host_;
};

}  // namespace handoff::test
