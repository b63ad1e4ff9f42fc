// What an on_open() of uv.hpp throws: what ends, and whose the socket is.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "upstream.h"
#include "uv_here.h"

namespace handoff::test {
namespace {

class Outgoing final : public uv::Stream {
 public:
  explicit Outgoing(std::function<void()> opened = {}) : opened_(std::move(opened)) {}
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return {}; }
  void on_open(bool) override {
    if (opened_) opened_();
  }

 private:
  std::function<void()> opened_;
};

class UvOutgoingHereTest : public UvHereTest {
 protected:
  void start() {
    host_->outgoing("uplink", [](std::string_view) { return std::make_unique<Outgoing>(); });
    host_->start();
  }
};

TEST_F(UvOutgoingHereTest, WhatOnOpenThrowsLeavesTheSocketToTheCaller) {
  start();
  const auto throwing = [] {
    return std::make_unique<Outgoing>([] { throw std::runtime_error("no"); });
  };
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  upstream_.reset(ends[1]);
  const UniqueFd mine(ends[0]);
  EXPECT_THROW(host_->adopt("uplink", mine.get(), throwing()), std::runtime_error);
  const UniqueFd listener = listen_on_loopback();
  EXPECT_THROW(host_->connect("uplink", address_of(listener), throwing()), std::runtime_error);
  EXPECT_TRUE(rests());
  EXPECT_EQ(0U, host_->size());
  send_all(upstream_.get(), "x");
  EXPECT_EQ("x", handoff::test::next(mine)) << "it is open, and nobody else's";
  const UniqueFd accepted = accept_from(listener);
  EXPECT_EQ("EOF", handoff::test::next(accepted));
}

TEST_F(UvHereTest, AnOnOpenThatThrowsEndsItsConnectionAlone) {
  bool throws = true;
  serve([&] {
    return std::make_unique<Outgoing>([&] {
      if (std::exchange(throws, false)) throw std::runtime_error("no");
    });
  });
  const UniqueFd refused = connect_tcp(port_of(service_->named_fd("public")));
  EXPECT_EQ("EOF", next(refused));
  connect();
  EXPECT_TRUE(rests());
  EXPECT_EQ(1U, host_->size());
}

}  // namespace
}  // namespace handoff::test
