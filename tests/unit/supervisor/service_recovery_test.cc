// A process that had a vault has died: the service goes on from that.
#include <algorithm>
#include <csignal>

#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

class ServiceRecoveryTest : public ServiceTest {
 protected:
  static Exited died(Generation generation, int signal = SIGKILL, std::uint64_t reading = 0) {
    return {generation, {.signalled = true, .number = signal}, VaultLeft{true, reading}};
  }
  // The reader of the vault is one of two that are started.
  std::string goes_on(Generation reader, Generation heir, std::chrono::milliseconds when = 1s) {
    std::string out = hear(Registered{reader}, when);
    out += hear(Registered{heir}, when);
    out += hear(Owned{.generation = reader}, when);
    return out;
  }
  void recover(Generation dead, Generation reader, Generation heir,
               std::chrono::milliseconds when = 1s) {
    ASSERT_EQ(service.current(), reader);
    ASSERT_EQ(goes_on(reader, heir, when),
              "donate " + std::to_string(reader) + ">" + std::to_string(heir) + ", phase copy");
    ASSERT_EQ(switched(reader, heir, when), "phase retire, drop vault of " + std::to_string(dead));
    ASSERT_EQ(service.current(), heir);
    ASSERT_EQ(hear(Tick{}, when),
              "recovered " + std::to_string(first_) + ">" + std::to_string(heir));
    ASSERT_EQ(service.state(), State::kRunning);
    hear(Exited{reader, {}}, when);
  }
  template <class What>
  static const What* find(const Effects& effects) {
    for (const Effect& effect : effects) {
      if (const auto* found = std::get_if<What>(&effect)) return found;
    }
    return nullptr;
  }

  Generation first_ = 1;  // that died
};

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
  EXPECT_EQ(hear(Exited{1, {.signalled = true, .number = 9}, VaultLeft{false, 0}}, 1s),
            "drop vault of 1");
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
  EXPECT_EQ(hear(Exited{3, {.signalled = true, .number = 9}, VaultLeft{false, 0}}, 1s),
            "drop vault of 3");
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

// ---- in the middle of something else --------------------------------------------------------

TEST_F(ServiceRecoveryTest, ADonorDiesBeforeItsHeirIsReady) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "kill 2");
  EXPECT_STREQ(service.state_name(), "recovering");
  const Effects effects = service.step(Exited{2, {.signalled = true, .number = 9}}, at(1s));
  EXPECT_EQ(show(effects),
            "drop, failed(peer_died), phase start, spawn 3 reads vault of 1, spawn 4 heir");
  EXPECT_EQ(find<Conclude>(effects)->report.lost, 0U);
  recover(1, 3, 4);
}

TEST_F(ServiceRecoveryTest, ADonorDiesInMidCopy) {
  upgrade_to_switch();
  hear(Progressed{.generation = 1, .handoff_id = 2, .phase = CopyPhase::kCopy, .sessions_total = 4},
       1s);
  EXPECT_EQ(hear(died(1), 1s), "");
  EXPECT_EQ(hear(HandoffFailed{2, 2, "peer_died", "its vault has its sessions"}, 1s), "");
  const Effects effects = service.step(Exited{2, {.number = 1}, VaultLeft{}}, at(1s));
  EXPECT_EQ(show(effects),
            "drop vault of 2, drop, failed(peer_died), phase start, spawn 3 reads vault of 1, "
            "spawn 4 heir");
  EXPECT_EQ(find<Conclude>(effects)->report.lost, 0U);
  recover(1, 3, 4);
}

TEST_F(ServiceRecoveryTest, ADonorDiesAndItsHeirHasAll) {
  upgrade_to_switch();
  EXPECT_EQ(hear(died(1), 1s), "");
  EXPECT_EQ(hear(owned(2), 1s), "phase retire, drop vault of 1, take (keeps the one before), done");
  EXPECT_EQ(service.current(), 2U);
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(ServiceRecoveryTest, BothDieAndTheHeirHadOwned) {
  upgrade_to_switch();
  hear(died(1), 1s);
  EXPECT_EQ(hear(died(2), 1s),
            "drop, failed(exited), phase start, spawn 3 reads vault of 2, spawn 4 heir")
      << "its donor's is older";
  goes_on(3, 4);
  EXPECT_EQ(switched(3, 4, 1s), "phase retire, drop vault of 1, drop vault of 2");
}

TEST_F(ServiceRecoveryTest, BothDieAndTheHeirHadNot) {
  upgrade_to_switch();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Exited{2, {.number = 1}, VaultLeft{}}, 1s),
            "drop vault of 2, drop, failed(exited), phase start, spawn 3 reads vault of 1, spawn 4 "
            "heir");
}

// It has closed its sockets, and says so in its vault.
TEST_F(ServiceRecoveryTest, ADonorThatHasRetiredIsNotGoneOnFrom) {
  upgrade_to_switch();
  EXPECT_EQ(hear(DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 4}, 1s), "");
  EXPECT_EQ(hear(Exited{1, {}, VaultLeft{false, 0}}, 1s),
            "drop vault of 1, look for children of 1");
  const Effects effects =
      service.step(Exited{2, {.signalled = true, .number = 9}, VaultLeft{}}, at(1s));
  EXPECT_EQ(find<Conclude>(effects)->report.result, Report::Result::kLost);
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceRecoveryTest, ADonorThatEndsAfterTheSwitchIsNotGoneOnFrom) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  EXPECT_EQ(hear(died(1), 1s).find("spawn"), std::string::npos);
  EXPECT_EQ(service.current(), 2U);
}

TEST_F(ServiceRecoveryTest, AnUpgradeWhoseReleaseIsBeingOpenedIsRefused) {
  start();
  hear(HandoffRequested{.id = 5}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "refuse(busy), phase start, spawn 2 reads vault of 1, spawn 3 heir");
  EXPECT_EQ(hear(CandidateReady{}, 1s), "drop");
  recover(1, 2, 3);
}

TEST_F(ServiceRecoveryTest, NothingElseBeginsMeanwhile) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(HandoffRequested{}, 1s), "refuse(busy)");
  EXPECT_EQ(hear(CommitRequested{}, 1s), "refuse(busy)");
  EXPECT_FALSE(service.takes_orphans());
}

TEST_F(ServiceRecoveryTest, OneThatLeavesByItselfHasLeft) {
  start();
  hear(Leaves{1, "done"}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "drop vault of 1");
  EXPECT_EQ(service.state(), State::kStopped);
}

TEST_F(ServiceRecoveryTest, AStopIsNoDeath) {
  start();
  hear(StopRequested{.to_stay = true}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "drop vault of 1, stopped");
}

TEST_F(ServiceRecoveryTest, AStopEndsARecovery) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  EXPECT_EQ(hear(StopRequested{.to_stay = true}, 1s), "cancel 2");
  EXPECT_EQ(hear(HandoffFailed{2, 3, "cancelled", "stopped"}, 1s), "");
  EXPECT_EQ(hear(Exited{3, {.number = 1}}, 1s), "stop 2, drop vault of 1");
  EXPECT_EQ(hear(Exited{2, {}}, 1s), "stopped");
  EXPECT_TRUE(service.idle());
}

// ---- probation ------------------------------------------------------------------------------

TEST_F(ServiceRecoveryTest, AReleaseOnProbationMayDieOnceAndThenGoesBack) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(Tick{}, 1s);
  hear(Exited{1, {}}, 1s);
  first_ = 2;
  hear(died(2), 2s);
  recover(2, 3, 4, 2s);
  EXPECT_TRUE(service.probation().provisional());
  first_ = 4;
  EXPECT_EQ(hear(died(4), 3s), "phase start, spawn 5 reads vault of 4, spawn 6 heir")
      << "only that release can read what it has written";
  goes_on(5, 6, 3s);
  switched(5, 6, 3s);
  EXPECT_EQ(hear(Tick{}, 3s),
            "recovered 4>6, not passed(it has died again: it was killed by SIGKILL), open back");
}

// ---- another supervisor ---------------------------------------------------------------------

TEST_F(ServiceRecoveryTest, TheNextSupervisorFollowsOneThatIsUnderWay) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  const Found found = service.found();
  EXPECT_EQ(found.current, 2U);
  EXPECT_EQ(found.heir, 3U);
  service = Service({.name = "chat"});
  EXPECT_EQ(hear(found, 2s), "");
  EXPECT_STREQ(service.state_name(), "recovering");
  hear(Registered{3, true, 3}, 2s);
  hear(Registered{2, true, 3}, 2s);
  hear(owned(3), 2s);
  EXPECT_EQ(hear(DonorRetired{.generation = 2, .handoff_id = 3, .sessions = 4}, 2s),
            "phase retire, drop vault of 1");
  EXPECT_EQ(hear(Tick{}, 2s), "recovered 1>3");
  EXPECT_EQ(service.recoveries(), 1U);
}

TEST_F(ServiceRecoveryTest, OrBeginsItAnewIfBothHaveDied) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  const Found found = service.found();
  service = Service({.name = "chat"});
  hear(found, 2s);
  hear(Exited{3, {.unseen = true}}, 2s);
  EXPECT_EQ(hear(Exited{2, {.unseen = true}}, 2s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
  recover(1, 4, 5, 2s);
}

TEST_F(ServiceRecoveryTest, OrIfItWasAboutToBegin) {
  Found found{.last = 5, .current = 0};
  found.recovery = Recovery{3, "was killed by SIGKILL", at(0s), 2, 1};
  found.vaults.sources = {3};
  EXPECT_EQ(hear(found, 1s), "phase start, spawn 6 reads vault of 3, spawn 7 heir");
  first_ = 3;
  recover(3, 6, 7);
}

TEST_F(ServiceRecoveryTest, OrIfItsReaderWasBeingEnded) {
  Found found{.last = 5, .current = 4};
  found.recovery = Recovery{3, "was killed by SIGKILL", at(0s), 2, 1};
  found.vaults.sources = {3};
  EXPECT_EQ(hear(found, 1s), "end start of 4");
  EXPECT_EQ(hear(Exited{4, {.unseen = true}}, 1s),
            "phase start, spawn 6 reads vault of 3, spawn 7 heir");
}

TEST_F(ServiceRecoveryTest, AProcessThatDiedWithItsSupervisorIsGoneOnFrom) {
  EXPECT_EQ(hear(Found{.last = 3, .current = 3}), "");
  EXPECT_EQ(hear(Exited{3, {.unseen = true}, VaultLeft{true, 0}}, 1s),
            "phase start, spawn 4 reads vault of 3, spawn 5 heir");
  first_ = 3;
  recover(3, 4, 5);
}

}  // namespace
}  // namespace handoff::supervisor
