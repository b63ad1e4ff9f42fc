// A process that had a vault has died: the service goes on from that.
#include "recovery_fixture.h"

namespace handoff::supervisor {
namespace {

TEST_F(ServiceRecoveryTest, TheReaderAndItsHeirAreStartedAtOnce) {
  start();
  hear(Counted{1, 7}, 500ms);
  const Effects effects = service.step(died(1), at(1s));
  EXPECT_EQ(show(effects), "phase start, spawn 2 reads vault of 1, spawn 3 heir");
  EXPECT_EQ(find<Crashed>(effects), nullptr) << "nothing is lost";
  EXPECT_STREQ(service.state_name(), "recovering");
  EXPECT_EQ(service.problem(), "it was killed by SIGKILL");
  EXPECT_FALSE(service.settled());
  EXPECT_TRUE(service.awaits(2));
  EXPECT_TRUE(service.awaits(3));
  recover(1, 2, 3);
  EXPECT_EQ(service.recoveries(), 1U);
  EXPECT_EQ(service.restarts(), 0U);
  EXPECT_EQ(service.problem(), "");
}

TEST_F(ServiceRecoveryTest, TheHeirMayBeReadyFirst) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Registered{3}, 1s), "");
  EXPECT_EQ(hear(Registered{2}, 1s), "");
  EXPECT_EQ(hear(Owned{.generation = 2}, 1s), "donate 2>3, phase copy");
  EXPECT_EQ(hear(Owned{.generation = 2}, 1s), "") << "said again";
}

TEST_F(ServiceRecoveryTest, OrTheReader) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Registered{2}, 1s), "");
  EXPECT_EQ(hear(Owned{.generation = 2}, 1s), "");
  EXPECT_EQ(hear(Registered{3}, 1s), "donate 2>3, phase copy");
}

TEST_F(ServiceRecoveryTest, ItIsToldWithItsCauseAndHowLongItTook) {
  start();
  hear(Counted{1, 7}, 500ms);
  hear(died(1), 1s);
  goes_on(2, 3);
  hear(Owned{.generation = 3, .handoff_id = 3, .sessions = 7, .running_at_ns = to_ns(at(1040ms))},
       1050ms);
  hear(DonorRetired{.generation = 2, .handoff_id = 3, .sessions = 7}, 1050ms);
  const Effects effects = service.step(Tick{}, at(1060ms));
  const auto* told = find<Recovered>(effects);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->from, (Recovery{1, "was killed by SIGKILL", at(1s), 7, 1}));
  EXPECT_EQ(told->took, 40ms);
  EXPECT_EQ(told->report.moved, 7U);
  EXPECT_EQ(told->report.result, Report::Result::kDone);
}

TEST_F(ServiceRecoveryTest, ItsReaderResetsWhatCantBeMoved) {
  start();
  hear(died(1), 1s);
  hear(Registered{2}, 1s);
  hear(Registered{3}, 1s);
  const Effects effects = service.step(Owned{.generation = 2}, at(1s));
  ASSERT_NE(find<SendDonate>(effects), nullptr);
  EXPECT_EQ(find<SendDonate>(effects)->direction, Direction::kRecovery);
}

TEST_F(ServiceRecoveryTest, AProcessWithoutAVaultIsStartedAgainAsEver) {
  start();
  EXPECT_EQ(hear(Exited{1, {.signalled = true, .number = 9}}, 1s), "");
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceRecoveryTest, SoIsOneThatNeverOwned) {
  start();
  EXPECT_EQ(hear(Exited{1, {.signalled = true, .number = 9}, VaultLeft{}}, 1s), "drop vault of 1");
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceRecoveryTest, AnotherDeathIsAnotherRecovery) {
  start();
  hear(died(1), 1s);
  recover(1, 2, 3);
  EXPECT_EQ(hear(died(3), 2s), "phase start, spawn 4 reads vault of 3, spawn 5 heir");
  first_ = 3;
  recover(3, 4, 5, 2s);
  EXPECT_EQ(service.recoveries(), 2U);
}

// ---- a recovery that fails begins anew ------------------------------------------------------

TEST_F(ServiceRecoveryTest, TheReaderDies) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Exited{2, {.signalled = true, .number = 9}}, 1s), "kill 3");
  EXPECT_FALSE(service.awaits(3)) << "one that has not been started yet";
  EXPECT_EQ(hear(Exited{3, {.signalled = true, .number = 9}}, 1s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
  recover(1, 4, 5);
}

TEST_F(ServiceRecoveryTest, TheReaderCantBeStarted) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(SpawnFailed{2, "no such file"}, 1s), "kill 3");
  EXPECT_EQ(hear(SpawnFailed{3, "not wanted"}, 1s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
}

TEST_F(ServiceRecoveryTest, TheReaderDiesInMidCopy) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  EXPECT_EQ(hear(Exited{2, {.signalled = true, .number = 9}}, 1s), "");
  // Its heir has only a part: the vault has all.
  EXPECT_EQ(hear(HandoffFailed{3, 3, "peer_died", "the donor died in mid-copy"}, 1s), "");
  EXPECT_EQ(hear(Exited{3, {.number = 1}}, 1s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
  recover(1, 4, 5);
}

TEST_F(ServiceRecoveryTest, OrWhenItsHeirHasAll) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  EXPECT_EQ(hear(Exited{2, {.signalled = true, .number = 9}}, 1s), "");
  EXPECT_EQ(hear(owned(3), 1s), "phase retire, drop vault of 1, recovered 1>3");
  EXPECT_EQ(service.current(), 3U);
}

TEST_F(ServiceRecoveryTest, TheHeirDies) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  EXPECT_EQ(hear(Exited{3, {.signalled = true, .number = 9}, VaultLeft{}}, 1s), "drop vault of 3");
  EXPECT_EQ(hear(HandoffFailed{2, 3, "peer_died", "the heir died"}, 1s), "end start of 2")
      << "the reader has nothing that the vault has not";
  EXPECT_EQ(hear(Exited{2, {.signalled = true, .number = 9}}, 1s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
  recover(1, 4, 5);
}

TEST_F(ServiceRecoveryTest, TheHeirDiesBeforeItIsReady) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Exited{3, {.number = 1}}, 1s), "end start of 2");
  EXPECT_EQ(hear(SpawnFailed{2, "it is not wanted any more", "cancelled"}, 1s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
}

TEST_F(ServiceRecoveryTest, TheHeirDiesAsTheOwner) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  hear(owned(3), 1s);
  EXPECT_EQ(hear(DonorRetired{.generation = 2, .handoff_id = 3, .sessions = 4}, 1s),
            "phase retire, drop vault of 1");
  // Its own vault has what its clients have seen of it.
  EXPECT_EQ(hear(died(3), 1s), "");
  EXPECT_STREQ(service.state_name(), "recovering");
  EXPECT_EQ(hear(Exited{2, {}}, 1s), "phase start, spawn 4 reads vault of 3, spawn 5 heir");
  recover(3, 4, 5);
}

TEST_F(ServiceRecoveryTest, NeitherIsReadyInTime) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Tick{}, 11s), "kill 3");
  EXPECT_EQ(hear(Exited{3, {.signalled = true, .number = 9}}, 12s), "end start of 2");
}

TEST_F(ServiceRecoveryTest, ReadersThatFailAreNotStartedForEver) {
  start();
  hear(Counted{1, 7}, 500ms);
  hear(died(1), 1s);
  Generation reader = 2;
  for (int i = 1; i < Vaults::Policy{}.max_recoveries.most; ++i, reader += 2) {
    ASSERT_EQ(service.state(), State::kRecovering);
    hear(SpawnFailed{reader, "no such file"}, 1s);
    hear(SpawnFailed{reader + 1, "not wanted"}, 1s);
  }
  const Effects effects = service.step(SpawnFailed{reader, "no such file"}, at(1s));
  EXPECT_EQ(show(effects), "kill " + std::to_string(reader + 1) + ", drop vault of 1");
  const auto* crashed = find<Crashed>(effects);
  ASSERT_NE(crashed, nullptr) << "by now they are lost";
  EXPECT_EQ(crashed->generation, 1U);
  EXPECT_EQ(crashed->sessions, 7U);
  EXPECT_EQ(hear(SpawnFailed{reader + 1, "not wanted"}, 1s), "");
  EXPECT_EQ(service.state(), State::kBackoff);
  EXPECT_NE(hear(Tick{}, 60s).find("spawn"), std::string::npos);
}

TEST_F(ServiceRecoveryTest, WithoutAKeeperThereIsNoSecondTry) {
  start();
  hear(died(1), 1s);
  hear(VaultLost{1}, 1s);
  EXPECT_EQ(hear(SpawnFailed{2, "the keeper has gone"}, 1s), "kill 3");
  EXPECT_EQ(service.state(), State::kBackoff);
}

// ---- poison ---------------------------------------------------------------------------------

TEST_F(ServiceRecoveryTest, ASessionThatCrashesItsReadersDoesNotComeAlong) {
  start();
  Generation dead = 1;
  for (int crash = 1; crash <= 3; ++crash, dead += 2) {
    first_ = dead;
    const std::string began = hear(died(dead, SIGSEGV, 9), 1s * crash);
    EXPECT_EQ(began.find("but 9") != std::string::npos, crash == 3) << began;
    recover(dead, dead + 1, dead + 2, 1s * crash);
  }
  first_ = dead;
  EXPECT_EQ(hear(died(dead, SIGSEGV, 9), 9s).find("but 9"), std::string::npos)
      << "its number is another's, if it is anybody's";
}

TEST_F(ServiceRecoveryTest, WithNobodyToBlameItIsStartedFromNothingInTheEnd) {
  start();
  Generation dead = 1;
  for (int death = 1; death <= Vaults::Policy{}.max_recoveries.most; ++death, dead += 2) {
    first_ = dead;
    hear(died(dead, SIGSEGV), 1s * death);
    recover(dead, dead + 1, dead + 2, 1s * death);
  }
  const Effects effects = service.step(died(dead, SIGSEGV), at(10s));
  EXPECT_EQ(show(effects), "drop vault of " + std::to_string(dead));
  EXPECT_NE(find<Crashed>(effects), nullptr);
  EXPECT_EQ(service.state(), State::kBackoff);
}

}  // namespace
}  // namespace handoff::supervisor
