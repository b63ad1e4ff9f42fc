// Services with several lanes to whom the states of their sessions are not at hand (HANDOFF_LATER):
// each lane comes to rest by itself, and answers for its own restores.
#include <gmock/gmock.h>

#include <string>

#include "lane_link_fixture.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

class LaneLaterTest : public LaneLinkTest {
 protected:
  static LaneServiceOptions resting(std::uint32_t lanes, const std::string& version,
                                    bool early = false) {
    LaneServiceOptions options = holding_lanes(lanes, version);
    options.rests = true;
    options.early_restore = early;
    return options;
  }
};

TEST_F(LaneLaterTest, AllLanesComeToRestAndGoOn) {
  for (const bool early : {false, true}) {
    SCOPED_TRACE(early ? "early" : "late");
    clients_.clear();
    auto owner = start(resting(2, "1", early));
    connect(12);
    int version = 1;
    for (const std::uint32_t lanes : {3U, 1U, 2U}) {
      auto heir = hand_over(*owner, resting(lanes, std::to_string(++version), early));
      EXPECT_EQ(12U, owner_.sessions());
      EXPECT_EQ(0U, owner_.lost());
      expect_retired(*owner);
      owner = std::move(heir);
      for (Client& client : clients_) say(client, "x");
    }
  }
}

TEST_F(LaneLaterTest, AnHeirThatRefusesLetsAllLanesGoOn) {
  auto owner = start(resting(2, "1"));
  connect(8);
  auto refuses = resting(2, "2");
  refuses.refuses = [](SessionId) { return true; };
  auto heir = begin(*owner, refuses);
  owner->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(3, heir->wait());
  for (Client& client : clients_) say(client, "x");
  auto next = hand_over(*owner, resting(3, "3"));
  EXPECT_EQ(8U, owner_.sessions());
  for (Client& client : clients_) say(client, "y");
}

TEST_F(LaneLaterTest, WhatHasNotComeToRestInItsLaneFollows) {
  auto donor = start(resting(2, "1"));
  connect(6);
  Client* busy = nullptr;
  for (Client& client : clients_) {
    if (server_of(client) == "1.1") busy = &client;
  }
  ASSERT_NE(nullptr, busy);
  say(*busy, "work");
  auto heir = hand_over(*donor, resting(2, "2"), {.budget_us = 1'000'000});
  EXPECT_EQ(5U, owner_.sessions());
  EXPECT_EQ(1U, late(*donor).waiting());
  EXPECT_EQ("1.1", server_of(*busy));
  say(*busy, "done");
  expect_retired(*donor);
  EXPECT_EQ("2.1", server_of(*busy));
  for (Client& client : clients_) say(client, "x");
}

// There is nobody to take it, so its client must not wait.
TEST_F(LaneLaterTest, WhatComesToRestInALaneGoesOnIfItHasNoWay) {
  auto donor = start(resting(2, "1"));
  connect(6);
  Client* busy = nullptr;
  for (Client& client : clients_) {
    if (server_of(client) == "1.1") busy = &client;
  }
  ASSERT_NE(nullptr, busy);
  say(*busy, "work");
  auto heir = hand_over(*donor, resting(2, "2"), {.budget_us = 1'000'000});
  EXPECT_EQ(1U, late(*donor).waiting());
  heir->kill();
  while (late(*donor).linked()) {
  }
  say(*busy, "done");
  EXPECT_EQ("1.1", server_of(*busy));
}

TEST_F(LaneLaterTest, ARestoreThatDoesNotEndInALaneCountsAsRefused) {
  auto donor = start(resting(2, "1"));
  connect(20);
  auto two = resting(2, "2");
  two.answers = [](SessionId id) { return (id & 0xff) % 3 != 0; };
  auto heir = hand_over(*donor, two, {.budget_us = 2'000'000, .unmovable = v1::UNMOVABLE_LATE});
  EXPECT_EQ(14U, owner_.sessions());
  const auto standing = late(*donor);
  EXPECT_EQ(6U, standing.unmovable());
  EXPECT_EQ(6U, standing.waiting());
}

}  // namespace
}  // namespace handoff::test
