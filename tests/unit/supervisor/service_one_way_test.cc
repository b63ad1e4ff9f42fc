// An upgrade to a release that could not hand back: refused before anything is given to it, unless
// somebody wants it all the same. And in which direction a handoff goes, for what is not claimed.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

const char* const kWhy = "there is no way back";

class OneWayTest : public ServiceTest {
 protected:
  void ask(HandoffRequested request) {
    start();
    ASSERT_EQ(hear(request, 1s), "open");
    ASSERT_EQ(hear(CandidateReady{}, 1s), std::string("phase start, spawn 2 candidate heir") +
                                              (request.rehearsal ? " rehearsal" : ""));
  }
  Effects registers(Generation heir) {
    return service.step(Registered{.generation = heir, .rehearsal = true, .one_way = kWhy}, at(1s));
  }
  template <class Effect>
  static const Effect* find(const Effects& effects) {
    for (const auto& effect : effects) {
      if (const auto* found = std::get_if<Effect>(&effect)) return found;
    }
    return nullptr;
  }
  Report report_of(const Effects& effects) {
    const auto* concluded = find<Conclude>(effects);
    EXPECT_NE(nullptr, concluded);
    return concluded != nullptr ? concluded->report : Report{};
  }
};

TEST_F(OneWayTest, IsRefusedBeforeTheDonorHearsOfIt) {
  ask({});
  EXPECT_EQ(show(registers(2)), "kill 2");
  const Effects end = service.step(Exited{2, {true, 9, false}}, at(1s));
  EXPECT_EQ(show(end), "drop, failed(one_way)");
  EXPECT_EQ(report_of(end).message, kWhy);
  EXPECT_EQ(report_of(end).one_way, "") << "nothing has gone anywhere";
  EXPECT_EQ(service.state(), State::kRunning);
  EXPECT_EQ(service.current(), 1U);
}

TEST_F(OneWayTest, IsDoneIfThatIsWantedAndTheReportSaysSo) {
  ask({.one_way = true});
  EXPECT_EQ(show(registers(2)), "donate 1>2, phase copy");
  EXPECT_EQ(hear(owned(2), 2s), "");
  service.step(DonorRetired{.generation = 1,
                            .handoff_id = 2,
                            .sessions = 4,
                            .left_out = {{core::Sort::kSection, "rooms"},
                                         {core::Sort::kSessions, "bulk", 2}}},
               at(2s));
  const Effects end = service.step(Exited{1, kStatus0}, at(2s));
  EXPECT_EQ(report_of(end).one_way, kWhy);
  ASSERT_EQ(report_of(end).left_out.size(), 2U);
  EXPECT_EQ(report_of(end).left_out[1].sessions, 2U);
  EXPECT_TRUE(service.found().probation.one_way);
  answers(2, 3s);
  const std::string failed = hear(HealthHeard{2, false, "ill"}, 3s);
  EXPECT_NE(failed.find("not passed(ill; it was upgraded to one-way"), std::string::npos) << failed;
}

TEST_F(OneWayTest, APlanSaysSoAndGoesOn) {
  ask({.rehearsal = true});
  EXPECT_EQ(show(registers(2)), "donate 1>2 rehearsal, phase copy");
  hear(Rehearsed{2, 2, true}, 1s);
  hear(HandoffFailed{1, 2, "cancelled", "this was a rehearsal"}, 1s);
  const Effects end = service.step(Exited{2, kStatus0}, at(1s));
  EXPECT_EQ(report_of(end).result, Report::Result::kRehearsed);
  EXPECT_EQ(report_of(end).one_way, kWhy);
}

TEST_F(OneWayTest, WhoGoesBackOrStaysWhatItIsNeedsNoWayBack) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(Exited{1, kStatus0}, 1s);
  ASSERT_EQ(hear(HandoffRequested{.to = Probation::Origin::kBack}, 2s), "open back");
  hear(CandidateReady{Probation::Origin::kBack}, 2s);
  EXPECT_EQ(show(registers(3)), "donate 2>3, phase copy");
}

// ---- under the next supervisor

// The supervisor has died once the heir had registered. The next one goes on from what it saved.
class OneWayAgainTest : public OneWayTest {
 protected:
  void come_back(Found found) {
    EXPECT_EQ(hear(found), "");
    hear(Registered{1, true, 2});
    hear(Registered{.generation = 2, .returning = true, .handoff_id = 2, .one_way = said_});
    hear(owned(2), 1s);
    const Effects end =
        service.step(DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 4}, at(1s));
    const auto* concluded = find<Conclude>(end);
    if (concluded == nullptr) {
      report_ = report_of(service.step(Exited{1, kStatus0}, at(1s)));
    } else {
      report_ = concluded->report;
    }
  }
  std::string said_;
  Report report_;
};

TEST_F(OneWayAgainTest, WhatWasWantedIsStillDoneAndSaidAndSoItIsOfTheRelease) {
  ask({.one_way = true});
  registers(2);
  const Found saved = service.found();
  EXPECT_EQ(saved.one_way, kWhy);
  service = Service({.name = "chat"});
  come_back(saved);
  EXPECT_EQ(report_.result, Report::Result::kDone);
  EXPECT_EQ(report_.one_way, kWhy);
  EXPECT_TRUE(service.found().probation.one_way);
}

// What it had not saved yet is found out again from the two manifests, and refuses nothing.
TEST_F(OneWayAgainTest, WhoDiedBeforeItCouldSaveThatFindsItOutAgain) {
  said_ = kWhy;
  come_back({.last = 2, .current = 1, .heir = 2, .candidate = true});
  EXPECT_EQ(report_.result, Report::Result::kDone);
  EXPECT_EQ(report_.one_way, kWhy);
}

TEST_F(OneWayAgainTest, AnUpgradeThatHasAWayBackIsAsBefore) {
  come_back({.last = 2, .current = 1, .heir = 2, .candidate = true});
  EXPECT_EQ(report_.result, Report::Result::kDone);
  EXPECT_EQ(report_.one_way, "");
  EXPECT_FALSE(service.found().probation.one_way);
}

// ---- directions

TEST_F(OneWayTest, AnUpgradeGoesForward) {
  ask({});
  const Effects out = service.step(Registered{2}, at(1s));
  ASSERT_NE(nullptr, find<SendDonate>(out));
  EXPECT_EQ(find<SendDonate>(out)->direction, Direction::kForward);
}

TEST_F(OneWayTest, ARollbackGoesBack) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(Exited{1, kStatus0}, 1s);
  hear(HandoffRequested{.to = Probation::Origin::kBack}, 2s);
  hear(CandidateReady{Probation::Origin::kBack}, 2s);
  const Effects out = service.step(Registered{3}, at(2s));
  ASSERT_NE(nullptr, find<SendDonate>(out));
  EXPECT_EQ(find<SendDonate>(out)->direction, Direction::kBack);
}

TEST_F(OneWayTest, AReleaseThatDoesNotPassGoesBackByItself) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(Exited{1, kStatus0}, 1s);
  answers(2, 2s);
  hear(HealthHeard{2, false, "ill"}, 2s);
  hear(CandidateReady{Probation::Origin::kBack}, 2s);
  const Effects out = service.step(Registered{3}, at(2s));
  ASSERT_NE(nullptr, find<SendDonate>(out));
  EXPECT_EQ(find<SendDonate>(out)->direction, Direction::kBackByItself);
}

}  // namespace
}  // namespace handoff::supervisor
