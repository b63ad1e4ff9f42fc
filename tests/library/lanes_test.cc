// Services with several lanes, between real processes. Sessions move from two lanes to three and to
// one; all lanes are frozen before any of them saves; a fault in one lane is a fault of the whole
// handoff.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <set>

#include "lane_service.h"
#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class LanesTest : public ::testing::Test {
 protected:
  static constexpr int kClients = 60;

  std::unique_ptr<ServiceProcess> start(const LaneServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_lane_service(options); });
    owner_ = child->await_message<v1::Owner>(Type::kOwner);
    address_ = owner_.named(0).address();
    return child;
  }
  // Starts an heir and asks the donor to hand over.
  std::unique_ptr<ServiceProcess> begin(ServiceProcess& donor, const LaneServiceOptions& options,
                                        std::uint64_t budget_us = 5'000'000) {
    return start_heir(donor, ++generation_, [&] { return run_lane_service(options); },
                      {.id = ++handoff_, .budget_us = budget_us});
  }
  std::unique_ptr<ServiceProcess> hand_over(ServiceProcess& donor,
                                            const LaneServiceOptions& options) {
    auto heir = begin(donor, options);
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    const auto retired = donor.await_message<v1::Retired>(Type::kRetired);
    EXPECT_EQ(owner_.sessions(), retired.sessions());
    EXPECT_EQ(0U, owner_.lost());
    expect_exit(donor, 0);
    return heir;
  }
  static void expect_exit(ServiceProcess& child, int expected) {
    EXPECT_EQ(expected, child.wait());
  }

  void connect(int clients = kClients) {
    for (int i = 0; i < clients; ++i) clients_.push_back(std::make_unique<LineClient>(address_));
    for (auto& client : clients_) expect_answer(*client, "hello");
  }
  void disconnect() {
    clients_.clear();
    counts_.clear();
  }
  void expect_answer(LineClient& client, const std::string& line) {
    const std::uint64_t count = ++counts_[&client];
    client.send(line + "\n");
    ASSERT_EQ(std::to_string(count) + " " + line + "\n", client.line());
  }
  void expect_all_go_on() {
    for (auto& client : clients_) expect_answer(*client, "x");
  }
  // The release and lane that serve this client: "<version>.<lane>".
  std::string server_of(LineClient& client) {
    const std::string before = std::to_string(++counts_[&client]) + " ";
    client.send("who\n");
    const std::string line = client.line();
    EXPECT_TRUE(line.starts_with(before)) << line;
    return line.substr(before.size(), line.size() - before.size() - 1);
  }
  std::set<std::string> servers() {
    std::set<std::string> all;
    for (auto& client : clients_) all.insert(server_of(*client));
    return all;
  }

  std::uint64_t generation_ = 0;
  std::uint64_t handoff_ = 0;
  v1::Owner owner_;
  std::string address_;
  std::vector<std::unique_ptr<LineClient>> clients_;
  std::map<LineClient*, std::uint64_t> counts_;
};

struct Way {
  const char* name;
  bool tracked, early;
  std::size_t padding = 0;  // with enough of it each channel has a ring
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
class LaneWayTest : public LanesTest, public ::testing::WithParamInterface<Way> {};

TEST_P(LaneWayTest, TwoLanesBecomeThreeAndThenOneAndTwoAgain) {
  LaneServiceOptions options{.tracked = GetParam().tracked,
                             .early_restore = GetParam().early,
                             .padding = GetParam().padding};
  auto owner = start(options);
  connect();
  int version = 1;
  for (const std::uint32_t lanes : {3U, 1U, 2U, 2U}) {
    SCOPED_TRACE(std::to_string(lanes) + " lanes");
    LaneServiceOptions next = options;
    next.lanes = lanes;
    next.version = std::to_string(++version);
    owner = hand_over(*owner, next);
    EXPECT_EQ(kClients, static_cast<int>(owner_.sessions()));
    expect_all_go_on();
    std::set<std::string> expected;
    for (std::uint32_t i = 0; i < lanes; ++i) {
      expected.insert(next.version + "." + std::to_string(i));
    }
    EXPECT_EQ(expected, servers()) << "each lane has some of the sessions";
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, LaneWayTest,
                         ::testing::Values(Way{"TrackedLate", true, false},
                                           Way{"TrackedEarly", true, true},
                                           Way{"UntrackedLate", false, false},
                                           Way{"UntrackedEarly", false, true},
                                           Way{"LargeStates", true, true, 30'000},
                                           Way{"LargeStatesLate", true, false, 30'000}),
                         [](const auto& way) { return way.param.name; });

TEST_F(LanesTest, WhatIsSaidDuringTheHandoffIsAnsweredOnce) {
  auto owner = start({});
  connect();
  for (const std::uint32_t lanes : {3U, 1U}) {
    for (auto& client : clients_) client->send("half");
    auto heir = begin(*owner, {.lanes = lanes});
    // These lines arrive during the copy, in the freeze, or at the heir.
    for (auto& client : clients_) client->send(" a line\nand another\n");
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    for (auto& client : clients_) {
      std::uint64_t& count = counts_[client.get()];
      ASSERT_EQ(std::to_string(++count) + " half a line\n", client->line());
      ASSERT_EQ(std::to_string(++count) + " and another\n", client->line());
    }
    expect_exit(*owner, 0);
    owner = std::move(heir);
    expect_all_go_on();
  }
}

TEST_F(LanesTest, SessionsComeAndGoInAllLanesDuringTheCopy) {
  auto owner = start({.lanes = 3});
  connect();
  auto heir = begin(*owner, {.lanes = 2});
  for (int i = 0; i < 20; ++i) {
    counts_.erase(clients_.back().get());
    clients_.pop_back();
    clients_.insert(clients_.begin(), std::make_unique<LineClient>(address_));
  }
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  expect_exit(*owner, 0);
  for (auto& client : clients_) expect_answer(*client, "here");
}

// Lanes may share state, so none may save for the last time while another one still serves.
TEST_F(LanesTest, NoLaneSavesItsDeltaBeforeAllAreFrozen) {
  constexpr std::uint32_t kLanes = 4;
  std::atomic<std::uint32_t> frozen = 0;
  LaneServiceOptions options{.lanes = kLanes, .tracked = false};
  options.on_freeze = [&](std::uint32_t) { ++frozen; };
  options.on_save = [&](std::uint32_t) {
    if (frozen != 0 && frozen != kLanes) throw std::runtime_error("somebody still serves");
  };
  auto owner = start(options);
  connect();
  auto heir = hand_over(*owner, {.lanes = 4});
  expect_all_go_on();
}

TEST_F(LanesTest, AnHeirThatDiesInOneLaneIsNotNoticed) {
  auto owner = start({});
  connect();
  LaneServiceOptions dies{.lanes = 3};
  dies.on_restore = [](std::uint32_t lane) {
    if (lane == 2) ::_exit(7);
  };
  auto heir = begin(*owner, dies);
  const auto failed = owner->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::PEER_DIED, failed.code());
  expect_exit(*heir, 7);
  expect_all_go_on();
  auto next = hand_over(*owner, {.lanes = 3, .version = "2"});
  expect_all_go_on();
}

TEST_F(LanesTest, ALaneThatRefusesASessionIsNamedAndTheDonorServesOn) {
  for (const bool early : {false, true}) {
    SCOPED_TRACE(early ? "early" : "late");
    disconnect();
    auto owner = start({});
    connect();
    LaneServiceOptions refuses{.lanes = 3, .early_restore = early};
    refuses.on_restore = [](std::uint32_t lane) {
      if (lane == 1) throw std::runtime_error("lane one is full");
    };
    auto heir = begin(*owner, refuses);
    const auto failed = owner->await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(v1::REJECTED, failed.code());
    EXPECT_THAT(failed.reason(), HasSubstr("lane one is full"));
    const auto heirs = heir->await_message<v1::Failed>(Type::kFailed);
    EXPECT_THAT(heirs.reason(), HasSubstr("lane one is full"));
    expect_exit(*heir, 3);
    expect_all_go_on();
  }
}

TEST_F(LanesTest, ALaneThatCantSaveMakesTheHandoffFailAndAllLanesThaw) {
  for (const std::uint32_t bad : {0U, 1U, 2U}) {
    SCOPED_TRACE(bad);
    disconnect();
    std::atomic<int> frozen = 0;
    LaneServiceOptions options{.lanes = 3, .tracked = false};
    options.on_freeze = [&](std::uint32_t) { ++frozen; };
    options.on_thaw = [&](std::uint32_t) { --frozen; };
    options.on_save = [&](std::uint32_t lane) {
      if (frozen > 0 && lane == bad) throw std::runtime_error("not in that lane");
    };
    auto owner = start(options);
    connect();
    auto heir = begin(*owner, {});
    const auto failed = owner->await_message<v1::Failed>(Type::kFailed);
    EXPECT_THAT(failed.reason(), HasSubstr("not in that lane"));
    expect_exit(*heir, 3);
    expect_all_go_on();
  }
}

class HangingLaneTest : public LanesTest {
 protected:
  void SetUp() override { ASSERT_EQ(0, ::mkfifo(fifo_.c_str(), 0600)); }
  // Opened for reading, it waits until release() opens it for writing.
  void hang() const { UniqueFd(::open(fifo_.c_str(), O_RDONLY)).reset(); }
  void release() const { UniqueFd(::open(fifo_.c_str(), O_WRONLY)).reset(); }
  TempDir dir_;
  const std::string fifo_ = dir_ / "fifo";
};

// A lane's freeze() hangs, as it would in a thread that waits for a lock.
TEST_F(HangingLaneTest, ALaneThatDoesNotFreezeEndsTheHandoffWithTheBudget) {
  std::atomic<bool> once = true;
  LaneServiceOptions options{.lanes = 3};
  options.on_freeze = [&](std::uint32_t lane) {
    if (lane == 1 && once.exchange(false)) hang();
  };
  auto owner = start(options);
  connect();
  std::map<std::string, LineClient*> one_of;
  for (auto& client : clients_) one_of[server_of(*client)] = client.get();
  auto heir = begin(*owner, {.version = "2"}, 200'000);
  const auto failed = owner->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::TIMEOUT, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("freeze budget"));
  expect_exit(*heir, 3);
  // The other lanes serve while this one still hangs.
  for (auto& [server, client] : one_of) {
    if (server != "1.1") expect_answer(*client, "who else");
  }
  release();
  expect_all_go_on();
  auto next = hand_over(*owner, {.version = "2"});
  expect_all_go_on();
}

TEST_F(HangingLaneTest, ALaneThatDoesNotTurnEndsTheHandoffAndHearsOfItLater) {
  LaneServiceOptions options{.lanes = 2};
  options.on_hang = [this](std::uint32_t) { hang(); };
  auto owner = start(options);
  connect();
  LineClient* stuck = nullptr;
  for (auto& client : clients_) {
    if (server_of(*client) == "1.1") stuck = client.get();
  }
  ASSERT_NE(nullptr, stuck);
  stuck->send("hang\n");
  auto [donors, heirs] = make_channel();
  const LaneServiceOptions two{.version = "2"};
  ServiceProcess heir(++generation_, [&] { return run_lane_service(two); },
                      {std::move(heirs), owner->pidfd()});
  heir.await_message<v1::Register>(Type::kRegister);
  owner->donate({std::move(donors), heir.pidfd(), {.stall_us = 300'000}});
  EXPECT_EQ(v1::TIMEOUT, owner->await_message<v1::Failed>(Type::kFailed).code());
  expect_exit(heir, 3);
  release();
  EXPECT_EQ(std::to_string(++counts_[stuck]) + " hang\n", stuck->line());
  expect_all_go_on();
  auto next = hand_over(*owner, {.version = "2"});
  expect_all_go_on();
}

// The service crashes in the freeze: the heir keeps sessions that have not moved, in all lanes.
TEST_F(LanesTest, IndependentSessionsOutliveADonorThatDiesInTheFreeze) {
  for (const std::uint32_t lanes : {1U, 2U, 3U}) {
    SCOPED_TRACE(std::to_string(lanes) + " lanes");
    disconnect();
    std::atomic<int> frozen = 0;
    LaneServiceOptions options{.lanes = 2, .tracked = false, .independent = true};
    options.on_freeze = [&](std::uint32_t) { ++frozen; };
    options.on_save = [&](std::uint32_t lane) {
      if (frozen > 0 && lane == 1) ::_exit(7);
    };
    auto owner = start(options);
    connect();
    auto heir = begin(*owner, {.lanes = lanes, .independent = true});
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_TRUE(owner_.donor_died());
    EXPECT_EQ(kClients, static_cast<int>(owner_.sessions()));
    EXPECT_EQ(0U, owner_.lost());
    expect_exit(*owner, 7);
    expect_all_go_on();
  }
}

TEST_F(LanesTest, OtherSessionsOfSuchADonorAreResetAndCounted) {
  std::atomic<int> frozen = 0;
  LaneServiceOptions options{.lanes = 2, .tracked = false};
  options.on_freeze = [&](std::uint32_t) { ++frozen; };
  options.on_save = [&](std::uint32_t lane) {
    if (frozen > 0 && lane == 1) ::_exit(7);
  };
  auto owner = start(options);
  connect();
  auto heir = begin(*owner, {.lanes = 3});
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0U, owner_.sessions());
  EXPECT_EQ(kClients, static_cast<int>(owner_.lost()));
  EXPECT_EQ(kClients, owner_.lost_ids_size());
  for (auto& client : clients_) EXPECT_EQ("RESET", client->line());
}

// A link needs one lane on either side. Without one a held session stays with the donor to its end.
TEST_F(LanesTest, ASessionThatIsHeldEndsWithADonorWhoseHeirHasSeveralLanes) {
  ServiceProcess donor(++generation_, [] { return run_line_service({.holds = true}); });
  address_ = donor.await_message<v1::Owner>(Type::kOwner).named(0).address();
  LineClient busy(address_), idle(address_);
  expect_answer(busy, "hold");
  expect_answer(idle, "hello");
  auto heir = begin(donor, {.lanes = 2});
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(1U, donor.await_message<v1::Late>(Type::kLate).waiting());
  expect_answer(busy, "release");
  expect_answer(idle, "hello again");
  expect_answer(busy, "still here");
  ASSERT_EQ(0, ::shutdown(busy.fd(), SHUT_WR));
  EXPECT_EQ("EOF", busy.line());
  expect_exit(donor, 0);
}

TEST_F(LanesTest, StopReachesEveryLane) {
  auto owner = start({.lanes = 3});
  connect(12);
  v1::Stop stop;
  stop.set_deadline_us(1);
  send(owner->control(), Type::kStop, stop);
  expect_exit(*owner, 0);
}

TEST_F(LanesTest, StatusCountsTheSessionsOfAllLanes) {
  auto owner = start({.lanes = 3});
  connect();
  v1::Query query;
  query.set_id(5);
  send(owner->control(), Type::kQuery, query);
  EXPECT_EQ(kClients, static_cast<int>(owner->await_message<v1::Status>(Type::kStatus).sessions()));
}

}  // namespace
}  // namespace handoff::test
