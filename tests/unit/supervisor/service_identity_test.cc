// A process that is another release than it was started as: what the service makes of it, for each
// way in which it can have been started.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

using Origin = Probation::Origin;

const ReleaseSeen kFirstSeen{.name = "1.0", .was = "", .executes = ""};
const ReleaseSeen kItself{.name = "1.0", .was = "1.0", .executes = ""};
const ReleaseSeen kOtherName{.name = "2.0", .was = "1.0", .executes = ""};
const ReleaseSeen kOtherFile{.name = "1.0", .was = "1.0", .executes = "/opt/real"};
const ReleaseSeen kOtherBoth{.name = "2.0", .was = "1.0", .executes = "/opt/real"};

Registered as(Generation generation, const ReleaseSeen& seen) {
  return {.generation = generation, .seen = seen};
}

class ServiceIdentityTest : public ServiceTest {
 protected:
  const Report& conclude(const Effects& effects) {
    for (const Effect& effect : effects) {
      if (const auto* end = std::get_if<Conclude>(&effect)) report_ = end->report;
    }
    return report_;
  }
  static std::string notes(const Effects& effects) {
    std::string out;
    for (const Effect& effect : effects) {
      if (const auto* note = std::get_if<Note>(&effect)) out += note->text;
      if (const auto* other = std::get_if<OtherRelease>(&effect)) out += other->message;
    }
    return out;
  }
  // Generation 2 is to be what `to` asks for, and what the files show it to be.
  void hand_over(Origin to, Origin found) {
    start();
    if (to == Origin::kBack) {
      hear(HandoffRequested{});
      hear(CandidateReady{});
      hear(Registered{2});
      switched(1, 2);
      hear(Exited{1, kStatus0});
      ASSERT_EQ(hear(HandoffRequested{.to = to}), "open back");
      ASSERT_EQ(hear(CandidateReady{found}), "phase start, spawn 3 candidate heir");
    } else if (to == Origin::kSame) {
      ASSERT_EQ(hear(HandoffRequested{.to = to}), "phase start, spawn 2 heir");
    } else {
      hear(HandoffRequested{.to = to});
      ASSERT_EQ(hear(CandidateReady{found}), "phase start, spawn 2 candidate heir");
    }
  }

  Report report_;
};

TEST(ReleaseSeenTest, IsAnotherByItsFilesOrByItsName) {
  EXPECT_FALSE(kFirstSeen.another());
  EXPECT_FALSE(kItself.another());
  EXPECT_TRUE(kOtherName.another());
  EXPECT_TRUE(kOtherFile.another());
  EXPECT_TRUE(kOtherBoth.another());
  EXPECT_FALSE((ReleaseSeen{.name = "", .was = "", .executes = ""}).another());
  EXPECT_TRUE((ReleaseSeen{.name = "", .was = "1.0", .executes = ""}).another());
  EXPECT_FALSE(ReleaseSeen{}.another()) << "as from a library that says nothing";
}

// ---- going back ------------------------------------------------------------------------------

TEST_F(ServiceIdentityTest, WhoIsGoneBackToIsWhatItWas) {
  for (const ReleaseSeen& seen : {kFirstSeen, kItself}) {
    service = Service({.name = "chat"});
    hand_over(Origin::kBack, Origin::kBack);
    EXPECT_EQ(hear(as(3, seen)), "donate 2>3, phase copy");
  }
}

TEST_F(ServiceIdentityTest, WhoIsAnotherIsNotGoneBackToAndNothingHasChanged) {
  for (const ReleaseSeen& seen : {kOtherName, kOtherFile, kOtherBoth}) {
    service = Service({.name = "chat"});
    hand_over(Origin::kBack, Origin::kBack);
    const auto before = service.probation().saved();
    EXPECT_EQ(hear(as(3, seen)), "kill 3");
    EXPECT_EQ(hear(owned(3)), "") << "too late";
    const Effects end = service.step(Exited{3, kKilled}, at(1s));
    EXPECT_EQ(show(end), "drop, failed(other_release)");
    EXPECT_NE(conclude(end).message.find("a path of its own"), std::string::npos);
    EXPECT_EQ(conclude(end).failed, Report::Failed::kNew);
    EXPECT_EQ(service.current(), 2U);
    EXPECT_EQ(service.state(), State::kRunning);
    EXPECT_EQ(service.probation().saved(), before) << "the next attempt may find it mended";
  }
}

TEST_F(ServiceIdentityTest, TheReasonSaysWhatItIs) {
  const auto reason = [this](const ReleaseSeen& seen) {
    service = Service({.name = "chat"});
    hand_over(Origin::kBack, Origin::kBack);
    hear(as(3, seen));
    const std::string all = conclude(service.step(Exited{3, kKilled}, at(1s))).message;
    return all.substr(0, all.find(". Give"));
  };
  EXPECT_EQ(reason(kOtherName), "what was release 1.0 says that it is release 2.0");
  EXPECT_EQ(reason(kOtherFile),
            "what was release 1.0 executes /opt/real, another file than it did");
  EXPECT_EQ(reason(kOtherBoth),
            "what was release 1.0 executes /opt/real, another file than it did, and says that it "
            "is release 2.0");
}

TEST_F(ServiceIdentityTest, AReleaseThatDidNotPassStaysIfNothingIsThereToGoBackTo) {
  for (const ReleaseSeen& seen : {kOtherName, kOtherFile, kOtherBoth}) {
    service = Service({.name = "chat", .probation = {.checked = true}});
    upgrade_to_switch();
    switched(1, 2, 1s);
    hear(Exited{1, kStatus0}, 1s);
    ASSERT_EQ(hear(HealthHeard{2, false, "ill"}, 2s), "not passed(ill), open back");
    ASSERT_EQ(hear(CandidateReady{Origin::kBack}, 2s), "phase start, spawn 3 candidate heir");
    EXPECT_EQ(hear(as(3, seen), 2s), "kill 3");
    const Effects end = service.step(Exited{3, kKilled}, at(2s));
    EXPECT_EQ(show(end), "drop, failed(other_release)") << "the one that runs is not ended";
    EXPECT_TRUE(conclude(end).message.ends_with("so the release that runs stays"))
        << conclude(end).message;
    EXPECT_EQ(notes(end), "it can't go back, so the release that runs stays");
    EXPECT_FALSE(service.probation().provisional());
    EXPECT_FALSE(service.probation().has_back());
    EXPECT_EQ(service.state(), State::kRunning);
    EXPECT_EQ(service.current(), 2U);
    EXPECT_EQ(hear(HealthHeard{2, false, "ill"}, 3s), "") << "and is not tried again";
  }
}

// Both die: what is left is a start, as ever.
TEST_F(ServiceIdentityTest, ADeathWhileItIsTurnedAwayGoesBackByAStart) {
  service = Service({.name = "chat", .probation = {.checked = true}});
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(Exited{1, kStatus0}, 1s);
  hear(HealthHeard{2, false, "ill"}, 2s);
  hear(CandidateReady{Origin::kBack}, 2s);
  EXPECT_EQ(hear(as(3, kOtherName), 2s), "kill 3");
  EXPECT_NE(hear(Exited{2, kSegv}, 2s).find("take back"), std::string::npos);
  hear(Exited{3, kKilled}, 2s);
  EXPECT_EQ(hear(Tick{}, 10s), "spawn 4");
  EXPECT_EQ(hear(as(4, kOtherName), 10s), "other release 4") << "nothing else can be started";
  EXPECT_EQ(hear(Owned{.generation = 4}, 10s), "went back 2>4 lost 4");
  EXPECT_EQ(service.state(), State::kRunning);
}

TEST_F(ServiceIdentityTest, FromNothingItIsNotGoneBackToEither) {
  for (const ReleaseSeen& seen : {kOtherName, kOtherFile, kOtherBoth}) {
    service = Service({.name = "chat"});
    upgrade_to_switch();
    switched(1, 2, 1s);
    hear(Exited{1, kStatus0}, 1s);
    hear(StopRequested{.to_stay = true}, 2s);
    hear(Exited{2, kStatus0}, 2s);
    hear(HandoffRequested{.to = Origin::kBack}, 3s);
    ASSERT_EQ(hear(CandidateReady{Origin::kBack}, 3s), "phase start, spawn 3 candidate");
    EXPECT_EQ(hear(as(3, seen), 3s), "kill 3");
    EXPECT_EQ(hear(Owned{.generation = 3}, 3s), "") << "it owns nothing that counts";
    EXPECT_EQ(hear(Exited{3, kKilled}, 3s), "drop, failed(other_release)");
    EXPECT_EQ(service.state(), State::kStopped);
    EXPECT_EQ(service.rest(), Rest::kStopped);
    EXPECT_TRUE(service.probation().has_back());
  }
}

// ---- starting the same again -----------------------------------------------------------------

TEST_F(ServiceIdentityTest, ARestartIsNotGivenAnotherProgram) {
  for (const ReleaseSeen& seen : {kOtherFile, kOtherBoth}) {
    service = Service({.name = "chat"});
    hand_over(Origin::kSame, Origin::kSame);
    EXPECT_EQ(hear(as(2, seen)), "kill 2");
    const Effects end = service.step(Exited{2, kKilled}, at(1s));
    EXPECT_EQ(show(end), "failed(other_release)");
    EXPECT_NE(conclude(end).message.find("`handoff upgrade chat` starts what lies there now"),
              std::string::npos);
    EXPECT_EQ(service.current(), 1U);
  }
}

TEST_F(ServiceIdentityTest, OfTheSameFilesItIsTheReleaseThatItSays) {
  hand_over(Origin::kSame, Origin::kSame);
  const Effects effects = service.step(as(2, kOtherName), at(0s));
  EXPECT_EQ(show(effects), "donate 1>2, phase copy");
  EXPECT_EQ(notes(effects),
            "what was release 1.0 says that it is release 2.0, of the same files: release 1.0 is "
            "not known any more, so nobody can go back to it");
  EXPECT_EQ(switched(1, 2), "phase retire");
  EXPECT_EQ(hear(Exited{1, kStatus0}), "done");
  EXPECT_FALSE(service.probation().has_back());
}

TEST_F(ServiceIdentityTest, ACrashStartsWhatThereIsAndThatIsTold) {
  for (const ReleaseSeen& seen : {kOtherName, kOtherFile, kOtherBoth}) {
    service = Service({.name = "chat"});
    start();
    hear(Exited{1, kSegv}, 1s);
    ASSERT_EQ(hear(Tick{}, 2s), "spawn 2");
    EXPECT_EQ(hear(as(2, seen), 2s), "other release 2");
    EXPECT_EQ(hear(Owned{.generation = 2}, 2s), "");
    EXPECT_EQ(service.state(), State::kRunning);
    EXPECT_FALSE(service.probation().provisional());
  }
}

TEST_F(ServiceIdentityTest, ACrashThatStartsWhatRanIsNotTold) {
  start();
  hear(Exited{1, kSegv}, 1s);
  hear(Tick{}, 2s);
  EXPECT_EQ(hear(as(2, kItself), 2s), "");
}

TEST_F(ServiceIdentityTest, SoDoesARestartOfWhatIsStopped) {
  start();
  hear(StopRequested{.to_stay = true});
  hear(Exited{1, kStatus0});
  ASSERT_EQ(hear(HandoffRequested{.to = Origin::kSame}), "phase start, spawn 2");
  EXPECT_EQ(hear(as(2, kOtherBoth)), "other release 2");
  EXPECT_EQ(hear(Owned{.generation = 2}), "done");
}

// ---- an upgrade ------------------------------------------------------------------------------

TEST_F(ServiceIdentityTest, AnUpgradeThatTurnsOutToBeAnotherIsANewReleaseWithAPlaceToGoBackTo) {
  for (const Origin found : {Origin::kNew, Origin::kSame, Origin::kBack}) {
    for (const ReleaseSeen& seen : {kOtherFile, kOtherBoth}) {
      service = Service({.name = "chat"});
      hand_over(Origin::kNew, found);
      EXPECT_EQ(hear(as(2, seen)), "donate 1>2, phase copy");
      EXPECT_EQ(switched(1, 2), "phase retire, take (keeps the one before)");
      EXPECT_TRUE(service.probation().provisional());
    }
  }
}

TEST_F(ServiceIdentityTest, AnUpgradeToTheSameFilesHasNothingMoreToGoBackTo) {
  hand_over(Origin::kNew, Origin::kSame);
  const Effects effects = service.step(as(2, kOtherName), at(0s));
  EXPECT_EQ(show(effects), "donate 1>2, phase copy");
  EXPECT_NE(notes(effects).find("nobody can go back to it"), std::string::npos);
  EXPECT_EQ(switched(1, 2), "phase retire, take");
  EXPECT_FALSE(service.probation().has_back());
}

TEST_F(ServiceIdentityTest, AnUpgradeToWhatOneCouldGoBackToIsNewIfItIsAnother) {
  hand_over(Origin::kNew, Origin::kBack);
  EXPECT_EQ(hear(as(2, kOtherName)), "donate 1>2, phase copy");
  EXPECT_EQ(switched(1, 2), "phase retire, take (keeps the one before)");
  EXPECT_TRUE(service.probation().provisional());
}

TEST_F(ServiceIdentityTest, AnUpgradeFromNothingLikewise) {
  for (const Origin found : {Origin::kNew, Origin::kSame, Origin::kBack}) {
    service = Service({.name = "chat"});
    start();
    hear(StopRequested{.to_stay = true});
    hear(Exited{1, kStatus0});
    hear(HandoffRequested{});
    ASSERT_EQ(hear(CandidateReady{found}), "phase start, spawn 2 candidate");
    EXPECT_EQ(hear(as(2, kOtherBoth)), "");
    EXPECT_EQ(hear(Owned{.generation = 2}), "take (keeps the one before), done");
    EXPECT_TRUE(service.probation().provisional());
  }
}

// ---- others ----------------------------------------------------------------------------------

TEST_F(ServiceIdentityTest, APlanTellsAndTurnsNobodyAway) {
  start();
  hear(HandoffRequested{.rehearsal = true});
  ASSERT_EQ(hear(CandidateReady{Origin::kSame}), "phase start, spawn 2 candidate heir rehearsal");
  EXPECT_EQ(hear(Registered{.generation = 2, .rehearsal = true, .seen = kOtherBoth}),
            "donate 1>2 rehearsal, phase copy");
}

TEST_F(ServiceIdentityTest, WhoComesBackWasLetInBefore) {
  hear(Found{.last = 5, .current = 5});
  EXPECT_EQ(hear(Registered{.generation = 5, .returning = true, .seen = kOtherBoth}), "");
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_EQ(service.state(), State::kRunning);
}

TEST_F(ServiceIdentityTest, AStopMeanwhileStops) {
  hand_over(Origin::kBack, Origin::kBack);
  EXPECT_EQ(hear(as(3, kOtherName)), "kill 3");
  hear(StopRequested{});
  EXPECT_EQ(hear(Exited{3, kKilled}).substr(0, 4), "drop");
  EXPECT_EQ(hear(Exited{2, kStatus0}), "stopped");
}

}  // namespace
}  // namespace handoff::supervisor
