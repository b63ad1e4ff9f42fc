// Sessions that one of the two releases can't move: save() fails, restore() throws, or the state is
// too large for the freeze. They stay with the donor, are reset, or end the handoff.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lane_service.h"
#include "line_service.h"
#include "link_fixture.h"
#include "support/clients/line_client.h"
#include "support/process/deadline.h"
#include "support/process/proc.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

constexpr int kClients = 20;
// The fifth session of the first generation.
constexpr SessionId kBad = SessionId{1} << 40 | 5;

struct Case {
  bool early = false;
  bool tracked = true;
};
void PrintTo(const Case& of, std::ostream* out) {
  *out << (of.early ? "Early" : "Late") << (of.tracked ? "Tracked" : "Untracked");
}

class UnmovableTest : public LinkTest {
 protected:
  static LineServiceOptions service(const std::string& version, const Case& of) {
    LineServiceOptions options = holding(version);
    options.early_restore = of.early;
    options.tracked = of.tracked;
    return options;
  }
  static LineServiceOptions refusing(const Case& of) {
    LineServiceOptions options = service("2", of);
    options.on_restore = [](SessionId id) {
      if (id == kBad) throw std::runtime_error("no room for number five");
    };
    return options;
  }
  static LineServiceOptions unsaving(const Case& of) {
    LineServiceOptions options = service("1", of);
    options.pads_state = [](SessionId id, std::uint64_t lines) {
      if (id == kBad) throw std::runtime_error("number five is not to be saved");
      return std::to_string(lines);
    };
    return options;
  }
  // Twenty clients, each with an answer.
  void connect() {
    for (int i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<LineClient>(address_));
      ASSERT_EQ("1 x\n", ask(*clients_.back(), "x"));
    }
  }
  LineClient& bad() { return *clients_[4]; }
  std::string bad_peer() {
    sockaddr_in at{};
    socklen_t length = sizeof at;
    ::getsockname(bad().fd(), reinterpret_cast<sockaddr*>(&at), &length);
    return "tcp:127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }
  // All clients but the fifth are served by that release; lines counts what each has said before.
  void expect_others_served_by(const std::string& version, int lines) {
    for (int i = 0; i < kClients; ++i) {
      if (i == 4) continue;
      ASSERT_EQ(std::to_string(lines + 1) + " " + version + "\n",
                ask(*clients_[static_cast<std::size_t>(i)], "who"))
          << i;
    }
  }
  void expect_named(const google::protobuf::RepeatedPtrField<v1::Unmoved>& all, v1::FaultOf fault,
                    const std::string& reason) {
    ASSERT_EQ(1, all.size());
    EXPECT_EQ(kBad, all[0].session());
    EXPECT_EQ(bad_peer(), all[0].peer());
    EXPECT_EQ(fault, all[0].fault());
    EXPECT_THAT(all[0].reason(), HasSubstr(reason));
  }

  // The heir knows whom its donor has, in case they are lost with it.
  void expect_kept() {
    EXPECT_EQ(1U, owner_.kept());
    ASSERT_EQ(1, owner_.kept_ids_size());
    EXPECT_EQ(kBad, owner_.kept_ids(0));
  }

  std::vector<std::unique_ptr<LineClient>> clients_;
  std::string bad_socket_;
};

class UnmovableWayTest : public UnmovableTest, public ::testing::WithParamInterface<Case> {};
INSTANTIATE_TEST_SUITE_P(Ways, UnmovableWayTest,
                         ::testing::Values(Case{false, true}, Case{true, true}, Case{false, false},
                                           Case{true, false}),
                         ::testing::PrintToStringParamName());

// ---- restore() throws --------------------------------------------------------------------------

TEST_P(UnmovableWayTest, OneOfTwentyThatTheHeirRefusesStaysWithTheDonor) {
  auto donor = start(service("1", GetParam()));
  connect();
  auto heir = hand_over(*donor, refusing(GetParam()), {.unmovable = v1::UNMOVABLE_LATE});
  EXPECT_EQ(kClients - 1U, owner_.sessions());
  expect_kept();
  EXPECT_EQ(0U, owner_.lost());
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ(1U, late.waiting());
  EXPECT_EQ(1U, late.unmovable());
  expect_named(late.unmoved(), v1::FAULT_OF_NEW, "no room for number five");
  EXPECT_EQ("2 1\n", ask(bad(), "who")) << "it is the donor's, as it was";
  expect_others_served_by("2", 1);
  // The session ends with its client, and the donor after it.
  clients_[4].reset();
  donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor->wait());
}

TEST_P(UnmovableWayTest, OneOfTwentyThatTheHeirRefusesIsReset) {
  auto donor = start(service("1", GetParam()));
  connect();
  auto heir = hand_over(*donor, refusing(GetParam()), {.unmovable = v1::UNMOVABLE_CLOSE});
  EXPECT_EQ(kClients - 1U, owner_.sessions());
  expect_kept();
  EXPECT_EQ(0U, owner_.lost());
  const auto retired = donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(kClients - 1U, retired.sessions());
  EXPECT_EQ(1U, retired.closed());
  expect_named(retired.unmoved(), v1::FAULT_OF_NEW, "no room for number five");
  EXPECT_EQ("RESET", bad().line());
  expect_others_served_by("2", 1);
  EXPECT_EQ(0, donor->wait());
}

TEST_P(UnmovableWayTest, OneOfTwentyThatTheHeirRefusesEndsTheHandoff) {
  auto donor = start(service("1", GetParam()));
  connect();
  const auto two = refusing(GetParam());
  auto heir = start_heir(*donor, 2, [&] { return run_line_service(two); });
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_TRUE(failed.of_peer());
  EXPECT_THAT(failed.reason(), HasSubstr("session " + std::to_string(kBad)));
  EXPECT_THAT(failed.reason(), HasSubstr(bad_peer()));
  EXPECT_THAT(failed.reason(), HasSubstr("no room for number five"));
  EXPECT_EQ(3, heir->wait());
  EXPECT_EQ("2 1\n", ask(bad(), "who"));
  expect_others_served_by("1", 1);
}

// ---- save() fails ------------------------------------------------------------------------------

TEST_P(UnmovableWayTest, OneOfTwentyThatCantBeSavedStaysWithTheDonor) {
  auto donor = start(unsaving(GetParam()));
  connect();
  auto heir = hand_over(*donor, service("2", GetParam()), {.unmovable = v1::UNMOVABLE_LATE});
  EXPECT_EQ(kClients - 1U, owner_.sessions());
  expect_kept();
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ(1U, late.unmovable());
  expect_named(late.unmoved(), v1::FAULT_OF_OLD, "number five is not to be saved");
  EXPECT_EQ("2 1\n", ask(bad(), "who"));
  expect_others_served_by("2", 1);
}

TEST_P(UnmovableWayTest, OneOfTwentyThatCantBeSavedIsReset) {
  auto donor = start(unsaving(GetParam()));
  connect();
  auto heir = hand_over(*donor, service("2", GetParam()), {.unmovable = v1::UNMOVABLE_CLOSE});
  expect_kept();
  const auto retired = donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(1U, retired.closed());
  expect_named(retired.unmoved(), v1::FAULT_OF_OLD, "number five is not to be saved");
  EXPECT_EQ("RESET", bad().line());
  expect_others_served_by("2", 1);
}

TEST_P(UnmovableWayTest, OneOfTwentyThatCantBeSavedEndsTheHandoff) {
  auto donor = start(unsaving(GetParam()));
  connect();
  const auto two = service("2", GetParam());
  auto heir = start_heir(*donor, 2, [&] { return run_line_service(two); });
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("session " + std::to_string(kBad)));
  EXPECT_THAT(failed.reason(), HasSubstr(bad_peer()));
  EXPECT_EQ("2 1\n", ask(bad(), "who"));
  expect_others_served_by("1", 1);
}

// save() fails in the freeze alone: the heir has the session by then, and drops it.
TEST_P(UnmovableWayTest, OneThatCantBeSavedAgainStaysWithTheDonor) {
  LineServiceOptions one = service("1", GetParam());
  auto saves = std::make_shared<int>(0);
  one.pads_state = [saves](SessionId id, std::uint64_t lines) {
    if (id == kBad && ++*saves > 1) throw std::runtime_error("once and not again");
    return std::to_string(lines);
  };
  one.adjust = [](Service& s) {
    Service* const service = &s;
    s.on_freeze([service] { service->session_touch(kBad); });
  };
  auto donor = start(one);
  connect();
  auto heir = hand_over(*donor, service("2", GetParam()), {.unmovable = v1::UNMOVABLE_LATE});
  EXPECT_EQ(kClients - 1U, owner_.sessions());
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ(1U, late.unmovable());
  EXPECT_EQ("2 1\n", ask(bad(), "who"));
  expect_others_served_by("2", 1);
}

// ---- what the policy can't do ------------------------------------------------------------------

TEST_F(UnmovableTest, AServiceThatCantKeepSessionsSaysWhy) {
  LineServiceOptions one = unsaving({});
  one.holds = false;
  auto donor = start(one);
  connect();
  const auto two = service("2", {});
  auto heir = start_heir(*donor, 2, [&] { return run_line_service(two); },
                         {.unmovable = v1::UNMOVABLE_LATE});
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_THAT(failed.reason(), HasSubstr("number five is not to be saved"));
  EXPECT_THAT(failed.reason(), HasSubstr("can't stay, since the old release lacks one of late()"));
  expect_others_served_by("1", 1);
}

TEST_F(UnmovableTest, AReleaseThatRefusesMoreThanHalfIsRefused) {
  for (const bool early : {false, true}) {
    clients_.clear();
    generation_ = 0;
    auto donor = start(service("1", {early}));
    connect();
    LineServiceOptions two = service("2", {early});
    two.on_restore = [](SessionId id) {
      if ((id & 0xff) > 9) throw std::runtime_error("broken");
    };
    auto heir = start_heir(*donor, 2, [&] { return run_line_service(two); },
                           {.unmovable = v1::UNMOVABLE_LATE});
    const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
    EXPECT_TRUE(failed.of_peer());
    EXPECT_THAT(failed.reason(), HasSubstr("11 of 20 sessions are refused"));
    EXPECT_THAT(failed.reason(), HasSubstr("broken"));
    EXPECT_EQ("2 1\n", ask(bad(), "who"));
    expect_others_served_by("1", 1);
  }
}

// What restore() did not take the library closes; it shuts nothing down.
TEST_F(UnmovableTest, NothingOfARefusedSessionIsLeftInTheHeir) {
  for (const bool early : {false, true}) {
    clients_.clear();
    generation_ = 0;
    auto donor = start(service("1", {early}));
    std::multiset<std::string> before;
    for (int i = 0; i < kClients; ++i) {
      if (i == 4) before = open_files(donor->pid());
      clients_.push_back(std::make_unique<LineClient>(address_));
      ASSERT_EQ("1 x\n", ask(*clients_.back(), "x"));
      if (i != 4) continue;
      const std::multiset<std::string> fresh = open_files(donor->pid());
      std::vector<std::string> bads;
      std::set_difference(fresh.begin(), fresh.end(), before.begin(), before.end(),
                          std::back_inserter(bads));
      ASSERT_EQ(1U, bads.size());
      bad_socket_ = bads.front();
    }
    auto heir = hand_over(*donor, refusing({early}), {.unmovable = v1::UNMOVABLE_LATE});
    EXPECT_EQ(1U, donor->await_message<v1::Late>(Type::kLate).waiting());
    EXPECT_EQ("2 1\n", ask(bad(), "who"));
    EXPECT_EQ(1U, open_files(donor->pid()).count(bad_socket_));
    // The donor offers it again over the link: the heir has it open for that long.
    const Deadline deadline = Deadline::patience();
    while (open_files(heir->pid()).count(bad_socket_) > 0) {
      ASSERT_FALSE(deadline.passed());
      ::usleep(1000);
    }
  }
}

// ---- the state is too large for the freeze -----------------------------------------------------

class TooLargeTest : public UnmovableTest {
 protected:
  // The bad session changes all the time, and says so in the freeze, too.
  static LineServiceOptions changing(std::function<std::string(SessionId)> save) {
    LineServiceOptions options = service("1", {.early = true});
    options.save = std::move(save);
    options.adjust = [](Service& s) {
      Service* const one = &s;
      s.on_freeze([one] { one->session_touch(kBad); });
    };
    return options;
  }
  // Fails with the donor's reason if the heir does not become the owner.
  void hand_over_to_next(ServiceProcess& donor, std::uint64_t budget_us) {
    heir_ = start_heir(donor, ++generation_,
                       [] { return run_line_service(service("2", {.early = true})); },
                       {.budget_us = budget_us, .unmovable = v1::UNMOVABLE_LATE});
    const Frame owner = heir_->await(Type::kOwner);
    ASSERT_FALSE(owner.closed) << donor.await_message<v1::Failed>(Type::kFailed).reason();
    ASSERT_TRUE(owner_.ParseFromString(owner.body));
  }

  std::unique_ptr<ServiceProcess> heir_;
};

// To save 2 MiB takes half a second, so they don't fit into a freeze of a second, half of which is
// for all else.
TEST_F(TooLargeTest, AStateThatIsTooLargeForTheFreezeStays) {
  auto donor = start(changing([](SessionId id) {
    if (id != kBad) return std::string("1");
    ::poll(nullptr, 0, 500);
    return "1 " + std::string(2 << 20, 'z');
  }));
  connect();
  ASSERT_NO_FATAL_FAILURE(hand_over_to_next(*donor, 1'000'000));
  EXPECT_EQ(kClients - 1U, owner_.sessions());
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ(1U, late.unmovable());
  expect_named(late.unmoved(), v1::FAULT_OF_OLD, "bytes have changed since they were copied");
  expect_others_served_by("2", 1);
}

// 100 MB that change all the time: whether they fit, this machine says. The others move.
TEST_F(TooLargeTest, AStateOf100MBThatChangesAllTheTimeHindersNoUpgrade) {
  auto donor = start(changing([](SessionId id) {
    return id == kBad ? "1 " + std::string(100 << 20, 'z') : std::string("1");
  }));
  connect();
  ASSERT_NO_FATAL_FAILURE(hand_over_to_next(*donor, 250'000));
  EXPECT_GE(owner_.sessions(), kClients - 1U);
  expect_others_served_by("2", 1);
}

// ---- lanes -------------------------------------------------------------------------------------

// Each lane has its own; what is closed is counted over all of them.
TEST_F(UnmovableTest, EachLaneClosesItsOwn) {
  for (const bool early : {false, true}) {
    clients_.clear();
    const LaneServiceOptions one{.lanes = 3, .early_restore = early};
    auto donor = std::make_unique<ServiceProcess>(1, [&] { return run_lane_service(one); });
    owner_ = donor->await_message<v1::Owner>(Type::kOwner);
    for (int i = 0; i < 60; ++i) {
      clients_.push_back(std::make_unique<LineClient>(owner_.named(0).address()));
      clients_.back()->send("x\n");
      (void)clients_.back()->line();
    }
    LaneServiceOptions two{.lanes = 2, .early_restore = early};
    two.refuses = [](SessionId id) { return id % 10 == 0; };
    auto heir = start_heir(*donor, 2, [&] { return run_lane_service(two); },
                           {.unmovable = v1::UNMOVABLE_CLOSE});
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    const auto retired = donor->await_message<v1::Retired>(Type::kRetired);
    EXPECT_EQ(54U, owner_.sessions());
    EXPECT_EQ(54U, retired.sessions());
    EXPECT_EQ(6U, retired.closed());
    EXPECT_EQ(6, retired.unmoved_size());
    int reset = 0;
    for (auto& client : clients_) {
      const bool sent = ::send(client->fd(), "y\n", 2, MSG_NOSIGNAL) == 2;
      reset += !sent || client->line() == "RESET" ? 1 : 0;
    }
    EXPECT_EQ(6, reset);
    EXPECT_EQ(0, donor->wait());
  }
}

// ---- a rehearsal -------------------------------------------------------------------------------

TEST_F(UnmovableTest, ARehearsalCountsThemAndChangesNothing) {
  auto donor = start(unsaving({}));
  connect();
  LineServiceOptions two = service("2", {});
  two.on_restore = [](SessionId id) {
    if (id == kBad + 1) throw std::runtime_error("nor is number six");
  };
  auto heir = start_heir(*donor, 2, [&] { return run_line_service(two); },
                         {.rehearsal = true, .unmovable = v1::UNMOVABLE_LATE});
  const auto theirs = heir->await_message<v1::Rehearsed>(Type::kRehearsed);
  const auto ours = donor->await_message<v1::Rehearsed>(Type::kRehearsed);
  EXPECT_EQ(v1::UNMOVABLE_LATE, ours.unmovable());
  EXPECT_EQ(1U, ours.refused());
  ASSERT_EQ(1, ours.findings_size());
  EXPECT_EQ(bad_peer(), ours.findings(0).peer());
  EXPECT_EQ(1U, theirs.refused());
  EXPECT_EQ(18U, theirs.passed());
  EXPECT_THAT(theirs.findings(0).peer(), HasSubstr("tcp:127.0.0.1:"));
  EXPECT_EQ("2 1\n", ask(bad(), "who"));
  expect_others_served_by("1", 1);
}

}  // namespace
}  // namespace handoff::test
