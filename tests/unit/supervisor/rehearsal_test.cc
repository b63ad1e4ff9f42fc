// A rehearsal as the supervisor follows it: a handoff that ends before the freeze on purpose, and
// leaves nothing.
#include <gtest/gtest.h>

#include "exits.h"
#include "show.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

const Exit kStatus1{false, 1, false};
const Registered kRehearser{.generation = 2, .rehearsal = true};
const HandoffRequested kPlan{.rehearsal = true};

class RehearsalTest : public testing::Test {
 protected:
  std::string hear(const Event& event, std::chrono::milliseconds when = 0ms) {
    const Effects effects = service.step(event, at(when));
    for (const Effect& effect : effects) {
      if (const auto* conclude = std::get_if<Conclude>(&effect)) report = conclude->report;
      if (const auto* refuse = std::get_if<Refuse>(&effect)) refused = refuse->message;
    }
    return show(effects);
  }
  void run() {
    hear(StartRequested{});
    hear(Registered{1});
    hear(Owned{.generation = 1});
    ASSERT_STREQ(service.state_name(), "running");
  }
  void rehearse() {
    run();
    ASSERT_EQ(hear(kPlan, 1s), "open");
    ASSERT_EQ(hear(CandidateReady{}, 1s), "phase start, spawn 2 candidate heir rehearsal");
    ASSERT_STREQ(service.state_name(), "planning");
    ASSERT_EQ(hear(kRehearser, 1s), "donate 1>2 rehearsal, phase copy");
  }
  void expect_as_before() {
    EXPECT_EQ(service.current(), 1U);
    EXPECT_STREQ(service.state_name(), "running");
    EXPECT_EQ(service.deadline(), std::nullopt);
  }

  Service service{{.name = "chat"}};
  Report report;
  std::string refused;
};

TEST_F(RehearsalTest, EndsWithWhatTheHeirSaysThatItFound) {
  rehearse();
  EXPECT_EQ(hear(Rehearsed{2, 2, true}, 2s), "");
  EXPECT_EQ(hear(HandoffFailed{2, 2, "cancelled", "this was a rehearsal"}, 2s), "");
  EXPECT_EQ(hear(HandoffFailed{1, 2, "cancelled", "this was a rehearsal"}, 2s), "");
  EXPECT_EQ(hear(Exited{2, kStatus1}, 2s), "drop, rehearsed");
  EXPECT_TRUE(report.rehearsal);
  EXPECT_EQ(report.copy, 1s);
  EXPECT_EQ(report.code, "");
  expect_as_before();
}

TEST_F(RehearsalTest, TheDonorMayBeHeardBeforeTheHeir) {
  rehearse();
  EXPECT_EQ(hear(HandoffFailed{1, 2, "cancelled", "this was a rehearsal"}, 2s), "");
  EXPECT_EQ(hear(Rehearsed{2, 2, true}, 2s), "");
  EXPECT_EQ(hear(Exited{2, kStatus1}, 2s), "drop, rehearsed");
  expect_as_before();
}

TEST_F(RehearsalTest, FailsWithTheHeirsReasonIfThatDidNotComeToTheEnd) {
  rehearse();
  hear(Rehearsed{2, 2, false}, 2s);
  hear(HandoffFailed{2, 2, "version", "no state version in common"}, 2s);
  hear(HandoffFailed{1, 2, "version", "no state version in common"}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus1}, 2s), "drop, failed(version)");
  EXPECT_TRUE(report.rehearsal);
  expect_as_before();
}

TEST_F(RehearsalTest, FailsIfTheHeirCrashes) {
  rehearse();
  hear(Exited{2, kSegv}, 2s);
  EXPECT_EQ(hear(HandoffFailed{1, 2, "peer_died", "the heir died"}, 2s), "drop, failed(exited)");
  expect_as_before();
}

TEST_F(RehearsalTest, AnHeirThatKnowsNoRehearsalsGetsNoDonor) {
  run();
  hear(kPlan, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(Registered{2}, 1s), "kill 2");
  EXPECT_EQ(hear(Exited{2, kKilled}, 1s), "drop, failed(version)");
  EXPECT_NE(report.message.find("knows no rehearsals"), std::string::npos) << report.message;
  expect_as_before();
}

TEST_F(RehearsalTest, NobodyPlansOrUpgradesMeanwhile) {
  rehearse();
  EXPECT_EQ(hear(kPlan), "refuse(busy)");
  EXPECT_EQ(hear(HandoffRequested{}), "refuse(busy)");
  EXPECT_NE(refused.find("a plan of chat is under way"), std::string::npos) << refused;
  hear(Rehearsed{2, 2, true}, 2s);
  hear(HandoffFailed{1, 2, "cancelled", ""}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus1}, 2s), "drop, rehearsed");
  EXPECT_EQ(hear(HandoffRequested{}, 3s), "open");
  EXPECT_EQ(hear(CandidateReady{}, 3s), "phase start, spawn 3 candidate heir") << "in earnest";
}

TEST_F(RehearsalTest, NoneIsBegunDuringAnUpgrade) {
  run();
  hear(HandoffRequested{});
  hear(CandidateReady{});
  EXPECT_EQ(hear(kPlan), "refuse(busy)");
  EXPECT_NE(refused.find("another upgrade of chat is under way"), std::string::npos) << refused;
}

TEST_F(RehearsalTest, IsGivenUpOnceNobodyWaitsForIt) {
  rehearse();
  EXPECT_EQ(hear(RehearsalDropped{}, 2s), "cancel 1");
  EXPECT_EQ(hear(HandoffFailed{1, 2, "cancelled", "nobody waits"}, 2s), "");
  hear(Rehearsed{2, 2, true}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus1}, 2s), "drop, failed(cancelled)");
  expect_as_before();
}

TEST_F(RehearsalTest, IsGivenUpWhileItsHeirStarts) {
  run();
  hear(kPlan);
  hear(CandidateReady{});
  EXPECT_EQ(hear(RehearsalDropped{}), "kill 2");
  EXPECT_EQ(hear(Exited{2, kKilled}), "drop, failed(cancelled)");
  expect_as_before();
}

TEST_F(RehearsalTest, IsGivenUpWhileItsBinaryIsOpened) {
  run();
  hear(kPlan);
  EXPECT_EQ(hear(RehearsalDropped{}), "refuse(cancelled)");
  EXPECT_EQ(hear(CandidateReady{}), "drop");
  expect_as_before();
}

TEST_F(RehearsalTest, GivingUpAPlanIsNoReasonToGiveUpAnUpgrade) {
  run();
  hear(HandoffRequested{});
  hear(CandidateReady{});
  EXPECT_EQ(hear(RehearsalDropped{}), "");
  EXPECT_STREQ(service.state_name(), "upgrading");
}

TEST_F(RehearsalTest, NeedsSomebodyToRehearseWith) {
  EXPECT_EQ(hear(kPlan), "refuse(not_running)");
  run();
  hear(kPlan);
  hear(Exited{1, kSegv});
  EXPECT_EQ(hear(CandidateReady{}), "drop, refuse(not_running)");
}

TEST_F(RehearsalTest, TheDonorsOwnDeathIsACrashOfTheServiceLikeAnyOther) {
  rehearse();
  hear(Exited{1, kSegv}, 2s);
  hear(HandoffFailed{2, 2, "peer_died", "the donor was gone"}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus1}, 2s), "drop, lost(peer_died)");
  EXPECT_STREQ(service.state_name(), "backoff");
}

// ---- an heir that says Owner, having been given copies

TEST_F(RehearsalTest, AnHeirThatSaysThatItOwnsIsEndedAndThePlanFails) {
  rehearse();
  hear(Rehearsed{2, 2, true}, 2s);
  EXPECT_EQ(hear(Owned{.generation = 2, .handoff_id = 2, .sessions = 4}, 2s), "kill 2");
  hear(Exited{2, kKilled}, 2s);
  EXPECT_EQ(hear(HandoffFailed{1, 2, "peer_died", "the heir died"}, 2s), "drop, failed(protocol)");
  EXPECT_NE(report.message.find("said that it owns the sessions, of which a rehearsal"),
            std::string::npos)
      << report.message;
  EXPECT_EQ(report.failed, Report::Failed::kNew);
  expect_as_before();
}

TEST_F(RehearsalTest, ItIsNoOwnerAlsoIfTheDonorHangs) {
  rehearse();
  hear(Owned{.generation = 2, .handoff_id = 2, .sessions = 4}, 2s);
  hear(Exited{2, kKilled}, 2s);
  hear(Tick{}, 60s);
  EXPECT_EQ(service.current(), 1U);
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(report.code, "protocol");
}

TEST_F(RehearsalTest, NorIfTheDonorDies) {
  rehearse();
  hear(Owned{.generation = 2, .handoff_id = 2, .sessions = 4}, 2s);
  hear(Exited{1, kSegv}, 2s);
  EXPECT_EQ(hear(Exited{2, kKilled}, 2s), "drop, lost(protocol)");
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(RehearsalTest, NorIfItSaysSoAfterTheDonorsDeath) {
  rehearse();
  hear(Exited{1, kSegv}, 2s);
  EXPECT_EQ(hear(Owned{.generation = 2, .handoff_id = 2, .sessions = 4}, 2s), "kill 2");
  hear(Exited{2, kKilled}, 2s);
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(RehearsalTest, TheNextSupervisorKnowsThatItWasNoMore) {
  rehearse();
  const Found found = service.found();
  EXPECT_TRUE(found.rehearsal);
  Service next{{.name = "chat"}};
  next.step(found, at(3s));
  EXPECT_STREQ(next.state_name(), "adopting");
  next.step(Registered{1, true, 2}, at(3s));
  next.step(Owned{.generation = 1}, at(3s));
  EXPECT_STREQ(next.state_name(), "planning");
  EXPECT_EQ(show(next.step(Exited{2, {.unseen = true}}, at(3s))), "");
  const auto end = next.step(HandoffFailed{1, 2, "cancelled", "this was a rehearsal"}, at(3s));
  EXPECT_EQ(show(end), "drop, failed(exited)");
  EXPECT_TRUE(std::get<Conclude>(end.back()).report.rehearsal);
}

}  // namespace
}  // namespace handoff::supervisor
