// Processes of a supervisor before that no state file told of: one that serves is taken for what
// the service runs, whatever was begun in its place.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

TEST_F(ServiceTest, TakesAnOrphanWhileItWaitsForItsNextStart) {
  hear(StartRequested{});
  hear(SpawnFailed{1, "its address is in use"});
  ASSERT_STREQ(service.state_name(), "backoff");
  EXPECT_EQ(hear(OrphanFound{5}), "");
  EXPECT_STREQ(service.state_name(), "adopting");
  EXPECT_EQ(service.deadline(), std::nullopt) << "nothing is started beside it";
  hear(Registered{5, true, 0});
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(hear(HandoffRequested{}), "open");
  EXPECT_EQ(hear(CandidateReady{}), "phase start, spawn 6 candidate heir") << "numbers go on";
}

TEST_F(ServiceTest, AnOrphanIsWorthMoreThanWhatIsBeingStarted) {
  hear(StartRequested{});
  EXPECT_EQ(hear(OrphanFound{5}), "kill 1");
  EXPECT_EQ(service.current(), 5U);
  EXPECT_EQ(hear(Exited{1, kKilled}), "");
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_STREQ(service.state_name(), "running");
}

// Numbers begin again where no state file tells of the last one. What is being opened has no
// process yet.
TEST_F(ServiceTest, AnOrphanWithTheNumberOfWhatIsBeingOpenedIsNotKilledForIt) {
  hear(StartRequested{});
  EXPECT_EQ(hear(OrphanFound{1}), "");
  EXPECT_STREQ(service.state_name(), "adopting");
  EXPECT_FALSE(service.awaits(1)) << "nothing is started beside it";
  EXPECT_EQ(hear(Owned{.generation = 1}), "");
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(ServiceTest, AnOrphanIsWorthMoreThanAStartThatNobodyHasAskedFor) {
  hear(StartRequested{.cold = true, .named = Wanted{"/opt/chat"}});
  EXPECT_EQ(hear(OrphanFound{5}), "drop");
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_EQ(hear(CandidateReady{}), "drop") << "what was being opened";
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.current(), 5U);
}

TEST_F(ServiceTest, TakesNoOrphanBesideWhatRunsOrIsAskedFor) {
  start();
  EXPECT_FALSE(service.takes_orphans());
  EXPECT_EQ(hear(OrphanFound{5}), "");
  EXPECT_EQ(service.current(), 1U);
  hear(HandoffRequested{});
  EXPECT_FALSE(service.takes_orphans());
  hear(StopRequested{});
  EXPECT_FALSE(service.takes_orphans());
}

// The next supervisor would stop it otherwise.
TEST_F(ServiceTest, AnOrphanOfAStoppedServiceIsNotStopped) {
  start();
  hear(StopRequested{.to_stay = true});
  hear(Exited{1, kStatus0});
  ASSERT_EQ(service.found().rest, Rest::kStopped);
  hear(OrphanFound{5});
  hear(Owned{.generation = 5});
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.found().rest, Rest::kNo);
}

class GuessedTest : public ServiceTest {
 protected:
  void SetUp() override {
    hear(Found{.last = 6, .current = 6, .guessed = true});
    hear(OrphanFound{5});
    hear(OrphanFound{6});
    ASSERT_STREQ(service.state_name(), "adopting");
  }
};

TEST_F(GuessedTest, WhoSaysThatItOwnsDoes) {
  hear(Owned{.generation = 5});
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.current(), 5U);
  hear(Exited{6, kStatus0});
  EXPECT_STREQ(service.state_name(), "running") << "its heir gave up";
}

TEST_F(GuessedTest, TheHandoffThatNobodyKnewOfHasEnded) {
  hear(Owned{.generation = 5});
  EXPECT_EQ(hear(Owned{.generation = 6}), "");
  EXPECT_EQ(service.current(), 6U);
  hear(DonorRetired{.generation = 5, .handoff_id = 6});
  hear(Exited{5, kStatus0});
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(GuessedTest, NothingIsStartedWhileAnotherMayServe) {
  EXPECT_EQ(hear(Exited{6, kKilled}), "");
  EXPECT_STREQ(service.state_name(), "adopting");
  EXPECT_EQ(service.current(), 5U);
  hear(Owned{.generation = 5});
  EXPECT_EQ(hear(Exited{5, kKilled}), "");
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(GuessedTest, AnUpgradeEndsTheGuessing) {
  hear(Owned{.generation = 6});
  hear(HandoffRequested{});
  hear(CandidateReady{});
  EXPECT_FALSE(service.takes_orphans());
  EXPECT_EQ(service.found().guessed, false);
}

}  // namespace
}  // namespace handoff::supervisor
