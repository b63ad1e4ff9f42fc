// Services to whom the states of their sessions are not at hand (HANDOFF_LATER): sessions come to
// rest while the loop turns, put their states from their own threads, and what does not come to
// rest moves late. Restores end later, too.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "later_service.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

class LaterTest : public ::testing::Test {
 protected:
  LaterTest() {
    EXPECT_EQ(0, ::mkfifo(fifo_.c_str(), 0600));
    EXPECT_EQ(0, ::mkfifo(begun_.c_str(), 0600));
  }

  std::unique_ptr<ServiceProcess> start(const LaterServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_later_service(options); });
    owner_ = child->await_message<v1::Owner>(Type::kOwner);
    for (int i = 0; i < 8; ++i) {
      clients_.push_back(std::make_unique<LineClient>(owner_.named(0).address()));
      EXPECT_EQ("1 a\n", ask(i, "a"));
    }
    return child;
  }
  std::unique_ptr<ServiceProcess> begin(ServiceProcess& donor, const LaterServiceOptions& options,
                                        Terms terms = {}) {
    return start_heir(
        donor, ++generation_, [&] { return run_later_service(options); }, terms);
  }
  LaterServiceOptions service(const std::string& version) const {
    LaterServiceOptions options;
    options.version = version;
    options.fifo = fifo_;
    return options;
  }
  std::string ask(int client, const std::string& line) {
    clients_.at(static_cast<std::size_t>(client))->send(line + "\n");
    return clients_.at(static_cast<std::size_t>(client))->line();
  }
  // The first session is in the middle of something, until fifo_ is opened.
  void begin_work() {
    clients_.at(0)->send("work\n");
    ::close(::open(begun_.c_str(), O_RDONLY | O_CLOEXEC));
  }
  // lines: what each has said before.
  void expect_served_by(const std::string& version, int lines, int from = 0) {
    for (int i = from; i < 8; ++i) {
      EXPECT_EQ(std::to_string(lines + 1) + " " + version + "\n", ask(i, "who")) << i;
    }
  }

  TempDir dir_;
  const std::string fifo_ = dir_.path() + "/work";
  const std::string begun_ = fifo_ + ".begun";
  std::uint64_t generation_ = 0;
  v1::Owner owner_;
  std::vector<std::unique_ptr<LineClient>> clients_;
};

struct Way {
  const char* name;
  bool snapshots, early;
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
class LaterWayTest : public LaterTest, public ::testing::WithParamInterface<Way> {
 protected:
  LaterServiceOptions service(const std::string& version) const {
    LaterServiceOptions options = LaterTest::service(version);
    options.snapshots = GetParam().snapshots;
    options.restores_early = GetParam().early;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, LaterWayTest,
                         ::testing::Values(Way{"Early", true, true}, Way{"Late", true, false},
                                           Way{"EarlyWithoutSnapshots", false, true},
                                           Way{"LateWithoutSnapshots", false, false}),
                         ::testing::PrintToStringParamName());

TEST_P(LaterWayTest, AllComeToRestAndGoThereAndBack) {
  auto owner = start(service("1"));
  for (int version = 2; version <= 3; ++version) {
    auto heir = begin(*owner, service(std::to_string(version)));
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(8U, owner_.sessions());
    EXPECT_EQ(0U, owner_.lost());
    owner->await_message<v1::Retired>(Type::kRetired);
    EXPECT_EQ(0, owner->wait());
    owner = std::move(heir);
    expect_served_by(std::to_string(version), version - 1);
  }
}

// One of them is in the middle of something that ends after the switch.
TEST_P(LaterWayTest, WhatHasNotComeToRestStaysAndFollows) {
  auto donor = start(service("1"));
  begin_work();
  auto heir = begin(*donor, service("2"), {.budget_us = 1'000'000});
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(7U, owner_.sessions());
  EXPECT_EQ(0U, owner_.lost());
  EXPECT_EQ(1U, donor->await_message<v1::Late>(Type::kLate).waiting());
  expect_served_by("2", 1, 1);
  const UniqueFd work(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ("2 work\n", clients_[0]->line());
  donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor->wait());
  EXPECT_EQ("3 2\n", ask(0, "who"));
}

// In the freeze it comes to rest like all others. Its clients don't wait until it moves, and what
// it moves with is what it has put last.
TEST_P(LaterWayTest, OneThatIsHeldGoesOnAndMovesWithItsLastState) {
  LaterServiceOptions one = service("1");
  one.holds = [](SessionId id) { return (id & 0xff) == 1; };
  auto donor = start(one);
  auto heir = begin(*donor, service("2"));
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(7U, owner_.sessions());
  EXPECT_EQ(1U, donor->await_message<v1::Late>(Type::kLate).waiting());
  EXPECT_EQ("2 1\n", ask(0, "who"));
  EXPECT_EQ("3 1\n", ask(0, "who"));
  EXPECT_EQ("4 release\n", ask(0, "release"));
  donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor->wait());
  EXPECT_EQ("5 2\n", ask(0, "who"));
}

// The heir refuses it over the link, too. It goes on, and no later state of it is the old one.
TEST_P(LaterWayTest, OneThatComesBackFromALinkGoesOnAndRestsAgain) {
  auto donor = start(service("1"));
  LaterServiceOptions two = service("2");
  two.restored = [](SessionId id) { return (id & 0xff) == 1 ? -1 : 0; };
  auto heir = begin(*donor, two, {.unmovable = v1::UNMOVABLE_LATE});
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  for (int lines = 2; lines < 5; ++lines) {
    EXPECT_EQ(std::to_string(lines) + " 1\n", ask(0, "who"));
  }
}

TEST_P(LaterWayTest, AHandoffThatFailsInTheRestLetsThemGoOn) {
  LaterServiceOptions one = service("1");
  one.frozen = -1;
  auto donor = start(one);
  auto heir = begin(*donor, service("2"));
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("sessions did not come to rest: they are restless"));
  expect_served_by("1", 1);
  EXPECT_EQ(3, heir->wait());
}

// As by the word of a freeze before, which came late: it brings no session to rest.
TEST_P(LaterWayTest, AWordBeforeTheStatesHandsOverNoOldOne) {
  LaterServiceOptions one = service("1");
  one.hasty = true;
  auto donor = start(one);
  begin_work();
  auto heir = begin(*donor, service("2"));
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  const UniqueFd work(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ("2 work\n", clients_[0]->line());
  donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ("3 2\n", ask(0, "who"));
  expect_served_by("2", 1, 1);
}

// At the deadline those that have put their states go, whoever says nothing.
TEST_F(LaterTest, AServiceThatSaysNothingHandsOverWhatIsAtRest) {
  LaterServiceOptions one = service("1");
  one.says_frozen = false;
  auto donor = start(one);
  auto heir = begin(*donor, service("2"), {.budget_us = 500'000});
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(8U, owner_.sessions());
  donor->await_message<v1::Retired>(Type::kRetired);
  expect_served_by("2", 1);
}

TEST_F(LaterTest, AServiceThatCantKeepSessionsFailsTheHandoff) {
  LaterServiceOptions one = service("1");
  one.keeps = false;
  auto donor = start(one);
  begin_work();
  auto heir = begin(*donor, service("2"), {.budget_us = 500'000});
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::TIMEOUT, failed.code());
  EXPECT_THAT(failed.reason(),
              HasSubstr("1 session has not come to rest within 200 ms, and can't"));
  const UniqueFd work(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ("2 work\n", clients_[0]->line());
  expect_served_by("1", 1, 1);
}

// ---- restores

TEST_P(LaterWayTest, ARestoreThatIsRefusedLeavesTheSessionWithTheDonor) {
  auto donor = start(service("1"));
  LaterServiceOptions two = service("2");
  two.restored = [](SessionId id) { return (id & 0xff) == 1 ? -1 : 0; };
  auto heir = begin(*donor, two, {.unmovable = v1::UNMOVABLE_LATE});
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(7U, owner_.sessions());
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  ASSERT_EQ(1, late.unmoved_size());
  EXPECT_EQ(v1::FAULT_OF_NEW, late.unmoved(0).fault());
  EXPECT_THAT(late.unmoved(0).reason(), HasSubstr("the process refused"));
  EXPECT_EQ("2 1\n", ask(0, "who"));
  expect_served_by("2", 1, 1);
}

TEST_P(LaterWayTest, ARestoreThatIsNotAnsweredInTimeLeavesTheSessionWithTheDonor) {
  auto donor = start(service("1"));
  LaterServiceOptions two = service("2");
  two.restored = [](SessionId id) { return (id & 0xff) == 1 ? kNoAnswer : 0; };
  auto heir = begin(*donor, two, {.budget_us = 1'000'000, .unmovable = v1::UNMOVABLE_LATE});
  owner_ = heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(7U, owner_.sessions());
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  ASSERT_EQ(1, late.unmoved_size());
  EXPECT_THAT(late.unmoved(0).reason(), HasSubstr("not ended in time"));
  EXPECT_EQ("2 1\n", ask(0, "who"));
  expect_served_by("2", 1, 1);
}

TEST_F(LaterTest, ARestoreThatIsRefusedEndsTheHandoffWhereThatIsThePolicy) {
  auto donor = start(service("1"));
  LaterServiceOptions two = service("2");
  two.restored = [](SessionId id) { return (id & 0xff) == 1 ? -1 : 0; };
  auto heir = begin(*donor, two);
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("the process refused"));
  EXPECT_EQ(3, heir->wait());
  expect_served_by("1", 1);
}

// ---- a rehearsal

TEST_P(LaterWayTest, ARehearsalTriesWhatThereAreSnapshotsOfAndFreezesNobody) {
  auto donor = start(service("1"));
  LaterServiceOptions two = service("2");
  two.restored = [](SessionId id) { return (id & 0xff) == 1 ? -1 : 0; };
  auto heir = begin(*donor, two, {.rehearsal = true});
  const auto theirs = heir->await_message<v1::Rehearsed>(Type::kRehearsed);
  const auto ours = donor->await_message<v1::Rehearsed>(Type::kRehearsed);
  const bool snapshots = GetParam().snapshots;
  EXPECT_EQ(snapshots ? 0U : 8U, ours.untried());
  EXPECT_EQ(snapshots ? 7U : 0U, theirs.passed());
  EXPECT_EQ(snapshots ? 1U : 0U, theirs.refused());
  EXPECT_EQ(3, heir->wait());
  expect_served_by("1", 1);
}

}  // namespace
}  // namespace handoff::test
