// Tests of the second half's table and of its rules: each must notice what breaks it.
#include "surroundings.h"

#include <gtest/gtest.h>

#include <set>

#include "account.h"

namespace chaos {
namespace {

using nlohmann::json;
using Problems = std::vector<std::string>;

// ---- the table

TEST(SurroundingsTest, EachIsTriedWithEachBlowOnEachService) {
  EXPECT_EQ(sieges({}).size(), 13U * 3 * 3);
  EXPECT_EQ(sieges({.service = Service::kKv, .hit = Hit::kSelf}).size(), 13U);
  EXPECT_EQ(sieges({.what = "binary-*"}).size(), 3U * 3 * 3);
  EXPECT_TRUE(sieges({.what = "no-such-thing"}).empty());
}

TEST(SurroundingsTest, TheCoreHasEachOfThemOnce) {
  const auto core = sieges({.core = true});
  std::set<What> seen;
  for (const Siege& siege : core) {
    EXPECT_EQ(siege.hit, Hit::kSupervisor);
    seen.insert(siege.what);
  }
  EXPECT_EQ(core.size(), 13U);
  EXPECT_EQ(seen.size(), 13U);
}

TEST(SurroundingsTest, NamesCanBeReadBack) {
  for (const Siege& siege : sieges({})) EXPECT_EQ(parse_siege(name(siege)), siege);
  EXPECT_EQ(name(Siege{Service::kKv, What::kStateDiskFull, Hit::kService}),
            "kv/surroundings/state-disk-full/service");
  for (const char* none : {"", "echo/surroundings/flood", "echo/surroundings/flood/kill",
                           "echo/heir/donor.release.sent/kill"}) {
    EXPECT_EQ(parse_siege(none), std::nullopt) << none;
  }
}

// ---- the rules

class AccountTest : public ::testing::Test {
 protected:
  // A supervisor that was killed and started again, as it should be.
  AccountTest() {
    account.before = {{"state", "running"},       {"pid", 10},      {"generation", 1},
                      {"release", "1.0"},         {"digest", "d1"}, {"standing", "permanent"},
                      {"listeners", {"address"}}, {"restarts", 0},  {"drift", false},
                      {"back", nullptr}};
    account.after = account.beside_before = account.beside_after = account.before;
    account.residents = 24;
    account.runs = account.beside_runs = "1.0";
    account.digests = {{"1.0", "d1"}, {"2.0", "d2"}};
    account.log = "generation 1 (pid 10) is back";
  }
  // A service that was killed and started again, as it should be.
  void kill_service() {
    hit = Hit::kService;
    account.struck.reset = 24;
    account.after["pid"] = 11;
    account.after["generation"] = 2;
    account.after["restarts"] = 1;
    account.log = "it was killed by SIGKILL";
  }
  void go_back() {
    kill_service();
    promise.went_back = true;
    account.before["release"] = "2.0";
    account.before["generation"] = 2;
    account.after["generation"] = 3;
    account.history = {{{"event", "probation_failed"}, {"result", "failed"}},
                       {{"event", "went_back"}, {"result", "lost"}, {"sessions", {{"lost", 24}}}}};
  }
  Problems problems() const { return judge(hit, promise, account); }
  void expect_one(const std::string& words) const {
    const Problems found = problems();
    ASSERT_EQ(found.size(), 1U) << json(found).dump(1);
    EXPECT_NE(found[0].find(words), std::string::npos) << found[0];
  }

  Hit hit = Hit::kSupervisor;
  Promise promise;
  Account account;
};

TEST_F(AccountTest, IsContentIfAllIsAsItWas) { EXPECT_EQ(problems(), Problems{}); }

TEST_F(AccountTest, IsContentIfAServiceThatWasKilledRunsAgain) {
  kill_service();
  EXPECT_EQ(problems(), Problems{});
}

TEST_F(AccountTest, IsContentIfOneOnProbationWentBack) {
  go_back();
  EXPECT_EQ(problems(), Problems{});
}

TEST_F(AccountTest, SeesAConnectionThatIsLost) {
  account.struck.visitors_reset = 1;
  expect_one("lost: 1 connections, and their process was not struck");
}

TEST_F(AccountTest, SeesThatTheServiceBesideItLostOne) {
  kill_service();
  account.beside.reset = 2;
  expect_one("lost: 2 connections of the service beside it");
}

TEST_F(AccountTest, SeesAWrongByteAlsoWhereConnectionsMayEnd) {
  kill_service();
  account.struck.duplicated = 1;
  expect_one("lost: wrong bytes");
}

TEST_F(AccountTest, SeesAnotherProgramWhateverIsToldOfIt) {
  account.runs = "2.0";
  expect_one("substituted: the bytes of \"2.0\" run, not of \"1.0\"");
  account.runs = "1.0";
  account.beside_runs = "";
  expect_one("substituted: the service beside it is another");
}

TEST_F(AccountTest, SeesWhatTheStatusDoesNotSay) {
  for (const auto& [key, value] : std::map<std::string, json>{{"state", "adopting"},
                                                              {"pid", 12},
                                                              {"generation", 2},
                                                              {"release", "2.0"},
                                                              {"digest", "d2"},
                                                              {"standing", "provisional"},
                                                              {"listeners", {"another"}},
                                                              {"restarts", 1},
                                                              {"drift", true},
                                                              {"back", {{"release", "2.0"}}}}) {
    const json was = account.after[key];
    account.after[key] = value;
    expect_one("misreported: " + key + " of the struck service");
    account.after[key] = was;
  }
  account.beside_after["restarts"] = 1;
  expect_one("misreported: restarts of the other service");
}

TEST_F(AccountTest, SeesALossThatIsNotCounted) {
  kill_service();
  account.after["restarts"] = 0;
  expect_one("restarts");
}

TEST_F(AccountTest, SeesThatAStoppedServiceWasStarted) {
  promise.ordered = true;
  account.runs = "";
  account.after["pid"] = nullptr;
  expect_one("state of the struck service is \"running\", not \"stopped\"");
  account.after["state"] = "stopped";
  EXPECT_EQ(problems(), Problems{});
  account.runs = "1.0";
  expect_one("substituted");
}

TEST_F(AccountTest, SeesACommandThatEndsWithAnotherStatusOrAnotherReason) {
  account.told = {{.command = "plan", .status = 0, .may = {1, 3}}};
  expect_one("handoff plan ended with 0, expected 1 3");
  account.told = {
      {.command = "upgrade", .status = 1, .may = {1}, .code = "open", .must_be = "history"}};
  expect_one("handoff upgrade was refused by \"open\", expected \"history\"");
}

TEST_F(AccountTest, SeesThatThePlanWhoseSupervisorDiedIsToldAsDone) {
  account.history = {{{"event", "planned"}, {"result", "done"}}};
  expect_one("1 times planned done, expected 0");
}

TEST_F(AccountTest, SeesAnUpgradeThatIsToldAndWasNotDoneOrWasDoneAndIsNotTold) {
  account.history = {{{"event", "upgrade"}, {"result", "done"}}};
  expect_one("1 times upgrade done, expected 0");
  account.history.clear();
  account.upgrades_done = 1;
  expect_one("0 times upgrade done, expected 1");
}

TEST_F(AccountTest, SeesThatASupervisorThatRefusedSaysThatItIsAnother) {
  hit = Hit::kSelf;
  account.log = "takes this process over";
  expect_one("0 times self done, expected 1");
  account.history = {{{"event", "self"}, {"result", "done"}}};
  EXPECT_EQ(problems(), Problems{});
  promise.self_refused_by = "busy";
  expect_one("1 times self done, expected 0");
}

TEST_F(AccountTest, CountsTheSessionsOfOneThatWentBack) {
  go_back();
  account.residents = 25;
  expect_one("24 sessions told as lost, 25 were");
  account.residents = 24;
  account.history.pop_back();
  expect_one("0 times went_back lost, expected 1");
}

TEST_F(AccountTest, SeesALogThatLeavesOutTheBlowUnlessItSaysThatItLeftLinesOut) {
  account.log = "";
  expect_one("the log has no \" is back\"");
  account.log = "7 lines of the log were left out here";
  EXPECT_EQ(problems(), Problems{});
}

TEST_F(AccountTest, SeesASanitizersWord) {
  account.log += "ERROR: LeakSanitizer";
  expect_one("ERROR: LeakSanitizer");
}

}  // namespace
}  // namespace chaos
