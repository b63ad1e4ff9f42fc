// A group over a link whose restores end later.
#include "libhandoff/link/taking.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using protocol::Type;

class TakingTest : public ::testing::Test, protected Outbox::Listener {
 protected:
  TakingTest() : ours_(UniqueFd()), theirs_(UniqueFd()) {
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    ours_ = Channel(std::move(pair->first));
    theirs_ = Channel(std::move(pair->second));
    declared_.lanes = 1;
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    handoff_callbacks& callbacks = registry_.callbacks;
    callbacks.restore =
        callbacks.update = [](void*, const handoff_adopted*) { return HANDOFF_LATER; };
    callbacks.drop = callbacks.late = callbacks.moved = callbacks.freeze_session =
        callbacks.thaw_session = [](void*, std::uint64_t) {};
    taking_.begin({.kinds = registry_.kinds_on_the_wire()}, {1});
    std::string body;
    protocol::append(body, {.id = 1, .no_fd = true});
    std::vector<UniqueFd> fds;
    EXPECT_TRUE(taking_.sessions({1, body}, fds));
  }
  void sent(const Outbox::Frame&) override {}
  void refused(const Error&) override {}
  std::optional<Type> next() {
    Channel::Message message;
    const auto received = theirs_.recv(message);
    EXPECT_TRUE(received);
    if (!received || *received != Channel::Received::kMessage) return std::nullopt;
    return message.header.type;
  }

  Channel ours_, theirs_;
  Outbox outbox_{ours_, *this};
  Declared declared_;
  Registry registry_{declared_};
  Taking taking_{registry_, outbox_};
};

// The session was restored as it came, and GroupPrepare is still to come.
TEST_F(TakingTest, AnEarlyRestoreThatFailsEndsTheGroup) {
  EXPECT_FALSE(next());
  taking_.answered({1, -1, "no"});
  EXPECT_EQ(Type::kGroupAbort, next());
  EXPECT_FALSE(taking_.has(1));
  EXPECT_TRUE(registry_.sessions.empty());
}

TEST_F(TakingTest, WhatIsOnItsWayKeepsWhatItsThreadHasPut) {
  registry_.told.put(1, {.state = "a"});
  registry_.told.put(2, {.state = "of none"});
  (void)registry_.touch_what_was_put([this](std::uint64_t id) { return taking_.has(id); });
  EXPECT_TRUE(registry_.told.has(1));
  EXPECT_FALSE(registry_.told.has(2)) << "nobody would ever forget it";
}

}  // namespace
}  // namespace handoff::io
