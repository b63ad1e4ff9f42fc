// What poll.h has and uv.hpp has not: refusals as numbers, timers, fds of the author, a loop that
// is part of another, a stop by itself. In this process, without a supervisor.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "handoff/poll.h"
#include "kit_poll_here.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(PollTest, AHandleHasOneKit) {
  handoff_poll_t* second = nullptr;
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_poll_open(&second, service_, nullptr));
  EXPECT_EQ(nullptr, second);
  handoff_poll_close(kit_);
  EXPECT_EQ(0, handoff_poll_open(&kit_, service_, nullptr)) << "the first has gone";
}

TEST_F(PollTest, WhatIsNoListenerIsRefusedAndDeclaresNothing) {
  handoff_conn_ops without_input = ops_;
  without_input.input = nullptr;
  handoff_conn_ops half = ops_;
  half.save = [](handoff_conn_t*, handoff_saved_t*) { return 0; };
  handoff_conn_ops old = ops_;
  old.size = 8;
  for (const auto& ops : {without_input, half, old}) {
    EXPECT_EQ(-EINVAL, handoff_poll_listen(kit_, "public", "tcp:127.0.0.1:0", &ops, nullptr));
  }
  handoff_conn_ops unknown = ops_;
  unknown.kind = "guests";
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN,
            handoff_poll_listen(kit_, "public", "tcp:127.0.0.1:0", &unknown, nullptr));
  EXPECT_STREQ("listener public: kind 'guests' was not declared; handoff_kind() does it",
               handoff_poll_last_error(kit_));
  EXPECT_EQ(-EINVAL, handoff_poll_listen(kit_, "public", "nowhere", &ops_, nullptr));
  EXPECT_EQ(0, listen());
  handoff_conn_ops same = ops_;
  same.kind = "public";
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE,
            handoff_poll_listen(kit_, "admin", "tcp:127.0.0.1:0", &same, nullptr));
  EXPECT_THAT(handoff_poll_last_error(kit_), HasSubstr("are those of listener public"));
  same.kind = "session";
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE,
            handoff_poll_listen(kit_, "admin", "tcp:127.0.0.1:0", &same, nullptr));
  EXPECT_EQ(0, listen("admin"));
  EXPECT_EQ(0, handoff_poll_start(kit_));
  EXPECT_EQ(HANDOFF_ERR_ORDER, listen("more")) << "too late";
}

TEST_F(PollTest, TheLoopTurnsOnceItIsStartedAndNotInsideItself) {
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_poll_once(kit_, 0));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_poll_stop(kit_, 1000));
  start();
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_poll_start(kit_));
  handoff_poll_after(
      kit_, 0,
      [](void* user) {
        auto& test = of(user);
        test.heard_.push_back(std::to_string(handoff_poll_once(test.kit_, 0)));
        handoff_poll_close(test.kit_);  // does nothing
      },
      this);
  turn_until([&] { return !heard_.empty(); });
  EXPECT_THAT(heard_, ElementsAre(std::to_string(HANDOFF_ERR_ORDER)));
}

TEST_F(PollTest, TimersRunInTheLoopUntilTheyAreCancelled) {
  start();
  static std::uint64_t repeated;
  repeated = handoff_poll_every(
      kit_, 1,
      [](void* user) {
        auto& test = of(user);
        test.heard_.push_back("every");
        if (test.heard_.size() == 3) {
          EXPECT_EQ(0, handoff_poll_cancel(test.kit_, repeated));
        }
      },
      this);
  turn_until([&] { return heard_.size() >= 3; });
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_poll_cancel(kit_, repeated));
  const auto once = handoff_poll_after(
      kit_, 30, [](void* user) { of(user).heard_.push_back("once"); }, this);
  turn_until([&] { return heard_.size() >= 4; });
  EXPECT_EQ("once", heard_.back()) << "the cancelled one has not run in between";
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_poll_cancel(kit_, once));
  EXPECT_EQ(0U, handoff_poll_after(kit_, 1, nullptr, nullptr));
}

TEST_F(PollTest, FdsOfTheAuthorAreWatched) {
  start();
  std::array<int, 2> one{}, two{};
  ASSERT_EQ(0, ::pipe2(one.data(), O_CLOEXEC));
  ASSERT_EQ(0, ::pipe2(two.data(), O_CLOEXEC));
  // Whichever comes first takes the other out, whose event is in the same batch.
  static std::array<int, 2> ends;
  ends = {one[0], two[0]};
  const auto read_one = [](void* user, int fd, int events) {
    auto& test = of(user);
    EXPECT_EQ(HANDOFF_POLL_READ, events);
    char byte = 0;
    EXPECT_EQ(1, ::read(fd, &byte, 1));
    test.heard_.emplace_back(1, byte);
    EXPECT_EQ(0, handoff_poll_unwatch(test.kit_, fd == ends[0] ? ends[1] : ends[0]));
  };
  EXPECT_EQ(0, handoff_poll_watch(kit_, one[0], HANDOFF_POLL_READ, read_one, this));
  EXPECT_EQ(0, handoff_poll_watch(kit_, two[0], HANDOFF_POLL_READ, read_one, this));
  ASSERT_EQ(1, ::write(one[1], "x", 1));
  ASSERT_EQ(1, ::write(two[1], "x", 1));
  turn_until([&] { return !heard_.empty(); });
  EXPECT_EQ(1, handoff_poll_once(kit_, 0));
  EXPECT_THAT(heard_, ElementsAre("x"));
  // What replaces a watch has its own events and function.
  const auto note = [](void* user, int, int events) {
    of(user).heard_.push_back("events " + std::to_string(events));
  };
  EXPECT_EQ(0, handoff_poll_watch(kit_, one[1], HANDOFF_POLL_WRITE, note, this));
  turn_until([&] { return heard_.size() > 1; });
  EXPECT_EQ("events 2", heard_.back());
  EXPECT_EQ(0, handoff_poll_watch(kit_, one[1], 0, note, this));
  ::close(one[0]);
  turn_until([&] { return heard_.back() == "events 4"; });
  EXPECT_EQ(0, handoff_poll_unwatch(kit_, one[1]));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_poll_unwatch(kit_, one[1]));
  EXPECT_EQ(-EBADF, handoff_poll_watch(kit_, -1, HANDOFF_POLL_READ, note, this));
  EXPECT_EQ(-EINVAL, handoff_poll_watch(kit_, one[1], 64, note, this));
  for (const int fd : {one[1], two[0], two[1]}) ::close(fd);
}

TEST_F(PollTest, ItFitsIntoAnotherLoop) {
  start();
  const auto ready = [&](int timeout_ms) {
    pollfd fd{handoff_poll_fd(kit_), POLLIN, 0};
    return ::poll(&fd, 1, timeout_ms) == 1;
  };
  const auto settle = [&] {
    while (ready(0)) ASSERT_EQ(1, handoff_poll_once(kit_, 0));
  };
  settle();
  LineClient client(address());
  client.send("a\n");
  while (conn_ == nullptr) {
    ASSERT_TRUE(ready(10'000));
    ASSERT_EQ(1, handoff_poll_once(kit_, 0));
  }
  EXPECT_EQ("a\n", client.line());
  settle();
  // What is written between two turns wakes the loop, and so does a timer.
  EXPECT_EQ(0, handoff_conn_printf(conn_, "%s\n", std::string(5000, 'x').c_str()));
  ASSERT_TRUE(ready(10'000));
  settle();
  EXPECT_EQ(std::string(5000, 'x') + "\n", client.line());
  handoff_poll_after(
      kit_, 1, [](void* user) { of(user).heard_.push_back("tick"); }, this);
  ASSERT_TRUE(ready(10'000));
  settle();
  EXPECT_THAT(heard_, ElementsAre("tick"));
}

TEST_F(PollTest, AStopByItselfEndsConnectionsAndThenTheRun) {
  start();
  LineClient client(address());
  client.send("a\n");
  turn_until([&] { return conn_ != nullptr; });
  EXPECT_EQ("a\n", client.line());
  std::array<char, 64> host{};
  std::uint16_t port = 0;
  EXPECT_EQ(0, handoff_conn_peer(conn_, host.data(), host.size(), &port));
  EXPECT_STREQ("127.0.0.1", host.data());
  EXPECT_NE(0, port);
  EXPECT_EQ(-ENOSPC, handoff_conn_peer(conn_, host.data(), 9, nullptr));
  EXPECT_EQ(0, handoff_conn_write(conn_, "last\n", 5));
  handoff_conn_close(conn_);
  EXPECT_EQ(-EPIPE, handoff_conn_write(conn_, "more\n", 5));
  EXPECT_EQ(conn_, handoff_poll_find(kit_, handoff_conn_id(conn_)));
  EXPECT_EQ(0, handoff_poll_stop(kit_, 10'000));
  EXPECT_EQ(0, handoff_poll_run(kit_));
  EXPECT_EQ(0, handoff_poll_once(kit_, 0)) << "nothing is left to do";
  EXPECT_EQ(0U, handoff_poll_count(kit_));
  EXPECT_EQ("last\n", client.line());
  EXPECT_EQ("EOF", client.line());
  EXPECT_THAT(heard_, ElementsAre("stopping", "closed", "destroyed"));
}

// What is queued is not waited for.
TEST_F(PollTest, AConnectionThatIsAbortedIsReset) {
  start();
  LineClient client(address());
  client.send("a\n");
  turn_until([&] { return conn_ != nullptr; });
  EXPECT_EQ("a\n", client.line());
  const std::string much(10'000'000, 'x');
  EXPECT_EQ(0, handoff_conn_write(conn_, much.data(), much.size()));
  handoff_conn_abort(conn_);
  handoff_conn_abort(conn_);
  EXPECT_EQ(-EPIPE, handoff_conn_write(conn_, "more", 4));
  turn_until([&] { return heard_.size() >= 2; });
  EXPECT_THAT(heard_, ElementsAre("closed", "destroyed"));
  EXPECT_EQ(0U, handoff_poll_count(kit_));
  EXPECT_EQ("RESET", client.line());
  handoff_conn_abort(nullptr);
}

TEST(PollLanesTest, AListenerComesBeforeTheStartOnAnyLane) {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  options.lanes = 2;
  std::array<handoff_t*, 2> lanes{};
  ASSERT_EQ(0, handoff_open(&lanes[0], &options));
  ASSERT_EQ(0, handoff_lane(lanes[0], 1, &lanes[1]));
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.input = [](handoff_conn_t*, const char*, std::size_t length) { return length; };
  std::array<handoff_poll_t*, 2> kits{};
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(0, handoff_poll_open(&kits[i], lanes[i], nullptr));
    EXPECT_EQ(0, handoff_poll_listen(kits[i], "public", "tcp:127.0.0.1:0", &ops, nullptr));
  }
  EXPECT_EQ(0, handoff_ready(lanes[0]));
  for (handoff_poll_t* kit : kits) {
    EXPECT_EQ(HANDOFF_ERR_ORDER,
              handoff_poll_listen(kit, "more", "tcp:127.0.0.1:0", &ops, nullptr));
    EXPECT_THAT(handoff_poll_last_error(kit), HasSubstr("listener more is declared too late"));
    handoff_poll_close(kit);
  }
  handoff_close(lanes[0]);
}

TEST_F(PollTest, AConnectionThatIsRefusedIsDestroyedAndNotToldThatItClosed) {
  ops_.opened = [](handoff_conn_t*) { return -1; };
  start();
  LineClient client(address());
  turn_until([&] { return !heard_.empty(); });
  EXPECT_EQ("EOF", client.line());
  EXPECT_THAT(heard_, ElementsAre("destroyed"));
}

TEST_F(PollTest, ConnectionsThatAreLeftAreDestroyedWithTheKit) {
  start();
  LineClient client(address());
  client.send("a\n");
  turn_until([&] { return conn_ != nullptr; });
  handoff_poll_close(std::exchange(kit_, nullptr));
  EXPECT_THAT(heard_, ElementsAre("destroyed"));
}

// The header's example: it needs neither save() nor restore(), and half a line moves all the same.
int run_without_state() {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) -> std::size_t {
    if (data[length - 1] != '\n') return 0;
    handoff_conn_write(c, data, length);
    return length;
  };
  handoff_t* service = nullptr;
  handoff_poll_t* kit = nullptr;
  if (handoff_open(&service, &options) < 0 || handoff_poll_open(&kit, service, nullptr) < 0 ||
      handoff_poll_listen(kit, "public", "tcp:127.0.0.1:0", &ops, nullptr) < 0) {
    return 2;
  }
  const int result = handoff_poll_run(kit);
  handoff_poll_close(kit);
  handoff_close(service);
  return result == 0 ? 0 : 3;
}

TEST(PollStatelessTest, AConnectionWithoutAStateMovesWithItsInput) {
  ServiceProcess donor(1, run_without_state);
  LineClient client(donor.await_message<v1::Owner>(protocol::Type::kOwner).named(0).address());
  EXPECT_EQ("a", client.ask("a"));
  client.send("hal");
  const auto heir = start_heir(donor, 2, run_without_state);
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(protocol::Type::kOwner).sessions());
  EXPECT_EQ(0, donor.wait());
  EXPECT_EQ("half", client.ask("f"));
}

}  // namespace
}  // namespace handoff::test
