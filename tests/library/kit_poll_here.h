// A kit of poll.h in the test's own process, without a supervisor: the test turns its loop.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/poll.h"

namespace handoff::test {

class PollTest : public ::testing::Test {
 public:  // callbacks use it
  PollTest() {
    handoff_options options{};
    options.size = sizeof options;
    options.name = "test";
    options.version = "1";
    EXPECT_EQ(0, handoff_open(&service_, &options));
    handoff_poll_options kit{};
    kit.size = sizeof kit;
    kit.user = this;
    kit.stopping = [](void* user, std::uint64_t) { of(user).heard_.push_back("stopping"); };
    kit.log = [](void* user, int, const char* words) { of(user).heard_.emplace_back(words); };
    EXPECT_EQ(0, handoff_poll_open(&kit_, service_, &kit));
    ops_.size = sizeof ops_;
    ops_.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
      return of(handoff_conn_context(c)).input(c, {data, length});
    };
    ops_.closed = [](handoff_conn_t* c) { of(handoff_conn_context(c)).heard_.push_back("closed"); };
    ops_.destroy = [](handoff_conn_t* c) {
      of(handoff_conn_context(c)).heard_.push_back("destroyed");
    };
  }
  ~PollTest() override {
    handoff_poll_close(kit_);
    handoff_close(service_);
  }
  PollTest(const PollTest&) = delete;
  PollTest& operator=(const PollTest&) = delete;
  static PollTest& of(void* user) { return *static_cast<PollTest*>(user); }

  std::size_t input(handoff_conn_t* c, std::string_view bytes) {
    conn_ = c;
    handoff_conn_write(c, bytes.data(), bytes.size());
    return bytes.size();
  }
  int listen(const char* name = "public") {
    return handoff_poll_listen(kit_, name, "tcp:127.0.0.1:0", &ops_, this);
  }
  std::string address() const { return handoff_named_address(service_, "public"); }
  void start() {
    ASSERT_EQ(0, listen());
    ASSERT_EQ(0, handoff_poll_start(kit_)) << handoff_poll_last_error(kit_);
  }
  // Turns the loop until so is true.
  template <class F>
  void turn_until(F&& so) {
    for (int i = 0; i < 1000 && !so(); ++i) ASSERT_EQ(1, handoff_poll_once(kit_, 1000));
    ASSERT_TRUE(so());
  }

  handoff_t* service_ = nullptr;
  handoff_poll_t* kit_ = nullptr;
  handoff_conn_ops ops_{};
  handoff_conn_t* conn_ = nullptr;  // the last that had input
  std::vector<std::string> heard_;
};

}  // namespace handoff::test
