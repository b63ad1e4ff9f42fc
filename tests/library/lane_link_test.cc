// Sessions of services with several lanes that are held at a switch: they stay with their lane of
// the donor, and go later to a lane of the owner, through further generations.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "lane_link_fixture.h"
#include "libhandoff/core/spread.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;

struct Pair {
  std::uint32_t donor, heir;
  bool tracked = true, early = false;
  friend void PrintTo(const Pair& pair, std::ostream* out) {
    *out << pair.donor << " to " << pair.heir;
  }
};
class LanePairsTest : public LaneLinkTest, public ::testing::WithParamInterface<Pair> {};

TEST_P(LanePairsTest, HeldSessionsStayInTheirLanesAndFollowWhenTheyAreReleased) {
  auto one = holding_lanes(GetParam().donor, "1"), two = holding_lanes(GetParam().heir, "2");
  one.tracked = two.tracked = GetParam().tracked;
  one.early_restore = two.early_restore = GetParam().early;
  auto donor = start(one);
  connect(36);
  const auto held = hold_some();
  std::vector<std::string> before;
  for (Client* client : held) before.push_back(server_of(*client));

  auto heir = hand_over(*donor, two);
  EXPECT_EQ(24U, owner_.sessions());
  EXPECT_EQ(0U, owner_.lost());
  const auto standing = late(*donor);
  EXPECT_EQ(12U, standing.waiting());
  EXPECT_TRUE(standing.linked());
  for (std::size_t i = 0; i < held.size(); ++i) EXPECT_EQ(before[i], server_of(*held[i]));
  for (Client& client : clients_) say(client, "x");

  // Half a line goes along as input.
  for (Client* client : held) {
    client->line->send("release\nwh");
    ASSERT_EQ(std::to_string(++client->count) + " release\n", client->line->line());
  }
  EXPECT_EQ(24U, donor->await_message<v1::Retired>(Type::kRetired).sessions());
  EXPECT_EQ(0, donor->wait());
  std::set<std::string> served;
  for (std::size_t i = 0; i < held.size(); ++i) {
    held[i]->line->send("o\n");
    const std::string line = held[i]->line->line();
    const std::string count = std::to_string(++held[i]->count) + " 2.";
    ASSERT_TRUE(line.starts_with(count)) << line;
    const std::string lane = line.substr(count.size(), 1);
    if (GetParam().donor == GetParam().heir) {
      EXPECT_EQ(before[i], "1." + lane) << "a way joins lanes of one number";
    }
    served.insert("2." + lane);
  }
  EXPECT_THAT(served, IsSubsetOf(lanes_of("2", GetParam().heir)));
  if (GetParam().donor >= GetParam().heir) {
    EXPECT_EQ(GetParam().heir, served.size()) << "some come to each lane";
  }
  // What has come goes on like any other.
  auto third = hand_over(*heir, holding_lanes(2, "3"));
  EXPECT_EQ(36U, owner_.sessions());
  for (Client& client : clients_) say(client, "y");
}
INSTANTIATE_TEST_SUITE_P(Pairs, LanePairsTest,
                         ::testing::Values(Pair{2, 2}, Pair{2, 2, false, true}, Pair{3, 2},
                                           Pair{2, 3, false}, Pair{1, 3}, Pair{3, 1}),
                         [](const auto& pair) {
                           const Pair& p = pair.param;
                           return std::to_string(p.donor) + "To" + std::to_string(p.heir) +
                                  (p.tracked ? "" : "Untracked") + (p.early ? "Early" : "");
                         });

// Of what a lane has not closed yet the owner would look at O_NONBLOCK too soon.
TEST_F(LaneLinkTest, TheOwnerIsAnsweredOnceAllLanesHaveLetGo) {
  const TempDir dir;
  const std::string fifo = dir.path() + "/late";
  ASSERT_EQ(0, ::mkfifo(fifo.c_str(), 0600));
  auto one = holding_lanes(2, "1");
  one.on_late = [&](std::uint32_t lane) {
    if (lane == 1) ::close(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC));
  };
  auto donor = start(one);
  connect(2);
  const auto held = hold_one_of_each(2);
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  say(*held[0], "release");
  for (int i = 0; i < 50; ++i) ASSERT_EQ("1.0", server_of(*held[0]));
  ::close(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
  say(*held[1], "release");
  expect_retired(*donor);
  EXPECT_EQ(lanes_of("2", 2), servers_of(held));
}

// The id says by which of them, and ids count upwards.
TEST_F(LaneLinkTest, TheSessionsOfALaneGoByAllOfItsWays) {
  auto donor = start(holding_lanes(1, "1"));
  connect(6);
  std::vector<Client*> held;
  for (Client& client : clients_) {
    say(client, "hold");
    held.push_back(&client);
  }
  auto heir = hand_over(*donor, holding_lanes(3, "2"));
  EXPECT_EQ(6U, late(*donor).waiting());
  release(held);
  expect_retired(*donor);
  EXPECT_EQ(lanes_of("2", 3), servers_of(held));
}

TEST_F(LaneLinkTest, AHoldEndsWithItsTimeInAnyLane) {
  auto donor = start(holding_lanes(2, "1"));
  connect(6);
  auto held = hold_one_of_each(2);
  for (Client* client : held) say(*client, "hold 3600000");
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(2U, late(*donor).waiting());
  for (Client* client : held) say(*client, "hold 1");
  expect_retired(*donor);
  EXPECT_EQ(lanes_of("2", 2), servers_of(held));
}

TEST_F(LaneLinkTest, OneWhoseTimeIsOverIsNotHeldAtTheSwitch) {
  auto donor = start(holding_lanes(2, "1"));
  connect(6);
  for (Client& client : clients_) say(client, "hold -1");
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(6U, owner_.sessions());
  expect_retired(*donor);
}

// A client that hangs up in a lane of the late process ends the waiting as well.
TEST_F(LaneLinkTest, WhatEndsInsteadIsNotWaitedFor) {
  auto donor = start(holding_lanes(3, "1"));
  connect(9);
  const auto held = hold_one_of_each(3);
  auto heir = hand_over(*donor, holding_lanes(1, "2"));
  EXPECT_EQ(3U, late(*donor).waiting());
  for (Client* client : held) client->line.reset();
  expect_retired(*donor);
}

TEST_F(LaneLinkTest, WhatIsHeldInOneLaneAloneMakesAllOfThemWait) {
  auto donor = start(holding_lanes(3, "1"));
  connect(9);
  Client* busy = nullptr;
  for (Client& client : clients_) {
    if (server_of(client) == "1.2") busy = &client;
  }
  ASSERT_NE(nullptr, busy);
  say(*busy, "hold");
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(8U, owner_.sessions());
  EXPECT_EQ(1U, late(*donor).waiting());
  EXPECT_EQ("1.2", server_of(*busy));
  say(*busy, "release");
  expect_retired(*donor);
  EXPECT_TRUE(server_of(*busy).starts_with("2."));
}

// ---- the end of the drain

TEST_F(LaneLinkTest, AtTheEndOfTheDrainTheyMoveAsTheyAre) {
  auto donor = start(holding_lanes(3, "1"));
  connect(9);
  const auto held = hold_one_of_each(3);
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(3U, late(*donor).waiting());
  drain(*donor, v1::LATE_MOVE);
  expect_retired(*donor);
  EXPECT_THAT(servers_of(held), IsSubsetOf(lanes_of("2", 2)));
}

TEST_F(LaneLinkTest, OrAreClosedAndCountedOverAllLanes) {
  auto donor = start(holding_lanes(3, "1"));
  connect(9);
  const auto held = hold_one_of_each(3);
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(3U, late(*donor).waiting());
  drain(*donor, v1::LATE_CLOSE);
  for (Client* client : held) EXPECT_EQ("RESET", client->line->line());
  EXPECT_EQ(3U, donor->await_message<v1::Retired>(Type::kRetired).closed());
  EXPECT_EQ(0, donor->wait());
}

// ---- more than two generations

TEST_F(LaneLinkTest, TheyGoToTheOwnerOfTheirTimeWhateverItsLanes) {
  auto first = start(holding_lanes(2, "1"));
  connect(12);
  const auto held = hold_one_of_each(2);
  auto second = hand_over(*first, holding_lanes(3, "2"));
  EXPECT_EQ(2U, late(*first).waiting());
  Client* other = nullptr;
  for (Client& client : clients_) {
    if (server_of(client) == "2.1") other = &client;
  }
  ASSERT_NE(nullptr, other);
  say(*other, "hold");
  auto third = hand_over(*second, holding_lanes(2, "3"));
  EXPECT_EQ(1U, late(*second).waiting());
  auto fourth = hand_over(*third, holding_lanes(1, "4"));
  expect_retired(*third);
  release(held);
  expect_retired(*first);
  say(*other, "release");
  expect_retired(*second);
  for (Client& client : clients_) EXPECT_EQ("4.0", server_of(client));
}

// Two processes share the sessions, and a third one with several lanes is late from before.
TEST_F(LaneLinkTest, AShareIsGivenBackToTheDonorAndNotByAWay) {
  constexpr std::uint32_t kHalf = 500;
  const auto service = [](std::uint32_t lanes, const std::string& version) {
    auto options = holding_lanes(lanes, version);
    options.independent = true;
    return options;
  };
  auto first = start(service(2, "1"));
  connect(2);
  const auto held = hold_one_of_each(2);
  auto second = hand_over(*first, service(1, "2"));
  EXPECT_EQ(2U, late(*first).waiting());
  auto third = hand_over(*second, service(1, "3"), {.spread = kHalf});
  say(*held[1], "release");
  while (server_of(*held[1]).starts_with("1.")) {  // until it has come by a way
  }

  constexpr int kFresh = 20;
  int share = 0;
  for (std::uint64_t i = 1; i <= kFresh; ++i) {
    if (!core::is_the_newer_ones(std::uint64_t{3} << 40 | i, kHalf)) ++share;
  }
  ASSERT_GT(share, 0);
  connect(kFresh);
  int given = 0;
  while (given != share) {
    given = 0;
    for (std::size_t i = clients_.size() - kFresh; i < clients_.size(); ++i) {
      const std::string server = server_of(clients_[i]);
      ASSERT_FALSE(server.starts_with("1.")) << server;
      if (server == "2.0") ++given;
    }
  }
}

TEST_F(LaneLinkTest, AFailedUpgradeLeavesTheWaysAsTheyWere) {
  auto first = start(holding_lanes(2, "1"));
  connect(8);
  const auto held = hold_one_of_each(2);
  auto second = hand_over(*first, holding_lanes(2, "2"));
  EXPECT_EQ(2U, late(*first).waiting());
  auto refuses = holding_lanes(2, "3");
  refuses.on_restore = [](std::uint32_t lane) {
    if (lane == 1) throw std::runtime_error("lane one is full");
  };
  auto third = begin(*second, refuses);
  EXPECT_THAT(second->await_message<v1::Failed>(Type::kFailed).reason(),
              HasSubstr("lane one is full"));
  EXPECT_EQ(3, third->wait());
  release(held);
  expect_retired(*first);
  EXPECT_EQ(lanes_of("2", 2), servers_of(held));
}

}  // namespace
}  // namespace handoff::test
