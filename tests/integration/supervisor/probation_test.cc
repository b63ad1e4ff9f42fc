// A release on probation, as operators see it: what status, history and the commands say, and what
// runs afterwards.
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"

namespace handoff::test {
namespace {

using nlohmann::json;

class ProbationTest : public SupervisorTest {
 protected:
  void start(const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"--release", "1.0", "--sessions", "5"};
    args.insert(args.end(), more.begin(), more.end());
    supervisor.start(fake(args));
  }
  void upgrade(const std::vector<std::string>& more = {}, const std::string& probation = "1h") {
    std::vector<std::string> args{"--release", "2.0", "--sessions", "5"};
    args.insert(args.end(), more.begin(), more.end());
    const auto upgraded = supervisor.upgrade_with(args, {"--probation", probation});
    ASSERT_EQ(upgraded.status, 0) << upgraded.done().dump();
    EXPECT_EQ(upgraded.done().at("standing"), "provisional");
    EXPECT_EQ(upgraded.done().at("back").at("release"), "1.0");
  }
  void wait_for(const std::string& release, const std::string& standing) const {
    supervisor.wait_for_status([&](const json& now) {
      return now.at("release") == release && now.at("standing") == standing &&
             now.at("state") == "running";
    });
  }
  // The last record of that event; null if there is none.
  json last(const std::string& event) const {
    const auto records = supervisor.history(event);
    return records.empty() ? json() : records.back();
  }

  const std::string omen = supervisor.dir() / "omen";
  void make_ill() const { write_file(omen, ""); }
};

TEST_F(ProbationTest, TheFirstReleaseIsPermanent) {
  start();
  const json now = supervisor.status();
  EXPECT_EQ(now.at("standing"), "permanent");
  EXPECT_EQ(now.at("probation_left_ms"), nullptr);
  EXPECT_EQ(now.at("back"), nullptr);
}

TEST_F(ProbationTest, ANewReleaseIsProvisionalAndThenPermanent) {
  start();
  upgrade({}, "500ms");
  wait_for("2.0", "permanent");
  EXPECT_TRUE(supervisor.eventually([&] { return last("committed").is_object(); }));
  const json committed = last("committed");
  EXPECT_EQ(committed.at("by"), "probation");
  EXPECT_EQ(committed.at("uid"), nullptr);
  EXPECT_EQ(committed.at("to").at("release"), "2.0");
  EXPECT_EQ(supervisor.status().at("back").at("release"), "1.0") << "one can go back after it, too";
}

TEST_F(ProbationTest, CommitEndsIt) {
  start();
  upgrade();
  EXPECT_GT(supervisor.status().at("probation_left_ms"), 3'000'000);
  const auto first = supervisor.command({"commit", "chat"});
  EXPECT_EQ(first.status, 0);
  EXPECT_EQ(first.out, "chat: release 2.0 is permanent now\n");
  wait_for("2.0", "permanent");
  const auto again = supervisor.command({"commit", "chat"});
  EXPECT_EQ(again.status, 0);
  EXPECT_EQ(again.out, "chat: release 2.0 was permanent already\n");
  EXPECT_EQ(last("committed").at("by"), "operator");
}

TEST_F(ProbationTest, AServiceThatSaysThatItIsNotWellIsTakenBackByAHandoff) {
  start();
  upgrade({"--ill-when", omen});
  make_ill();
  wait_for("1.0", "permanent");
  EXPECT_EQ(ask_service(supervisor), "1.0 3");
  EXPECT_EQ(supervisor.status().at("back"), nullptr) << "what failed is no place to go back to";
  EXPECT_TRUE(supervisor.eventually([&] { return last("upgrade").at("by") == "probation"; }));
  const json failed = last("probation_failed");
  EXPECT_EQ(failed.at("error").at("message"),
            "the service says that it is not well: the fake database is gone");
  const json back = last("upgrade");
  EXPECT_EQ(back.at("command"), "rollback");
  EXPECT_EQ(back.at("result"), "done");
  EXPECT_EQ(back.at("sessions").at("moved"), 5);
  EXPECT_EQ(back.at("sessions").at("lost"), 0);
}

TEST_F(ProbationTest, OneThatCantHandOverIsStoppedAndTheReleaseBeforeStartedOnItsListeners) {
  start();
  const int port = supervisor.port();
  upgrade({"--ill-when", omen, "--donor", "fail"});
  EXPECT_TRUE(connect_tcp(port).valid());
  make_ill();
  wait_for("1.0", "permanent");
  EXPECT_EQ(supervisor.port(), port);
  EXPECT_EQ(ask_service(supervisor), "1.0 4");
  EXPECT_TRUE(supervisor.eventually([&] { return last("went_back").is_object(); }));
  const json back = last("went_back");
  EXPECT_EQ(back.at("result"), "lost");
  EXPECT_EQ(back.at("sessions").at("lost"), 5);
  EXPECT_EQ(back.at("to").at("release"), "1.0");
}

TEST_F(ProbationTest, OneThatHangsIsKilledAndTheReleaseBeforeStarted) {
  supervisor.start(fake({"--release", "1.0"}, {"--stall-timeout", "100ms"}));
  const auto upgraded = supervisor.upgrade_with(
      {"--release", "2.0", "--sessions", "5", "--ill-when", omen, "--donor", "hang"},
      {"--probation", "1h"});
  ASSERT_EQ(upgraded.status, 0);
  make_ill();
  wait_for("1.0", "permanent");
}

TEST_F(ProbationTest, ACrashOnProbationStartsTheReleaseBefore) {
  start();
  upgrade();
  ASSERT_EQ(::kill(supervisor.status().at("pid").get<pid_t>(), SIGKILL), 0);
  wait_for("1.0", "permanent");
  EXPECT_TRUE(supervisor.eventually([&] { return last("went_back").is_object(); }));
  EXPECT_EQ(last("went_back").at("sessions").at("lost"), 5);
  EXPECT_EQ(last("probation_failed").at("error").at("message"), "it was killed by SIGKILL");
}

TEST_F(ProbationTest, ACrashAfterProbationStartsTheSameReleaseAgain) {
  start();
  upgrade();
  ASSERT_EQ(supervisor.command({"commit", "chat"}).status, 0);
  ASSERT_EQ(::kill(supervisor.status().at("pid").get<pid_t>(), SIGKILL), 0);
  const json now = supervisor.wait_for_status([](const json& status) {
    return status.at("generation") == 3 && status["state"] == "running";
  });
  EXPECT_EQ(now.at("release"), "2.0");
  EXPECT_EQ(now.at("standing"), "permanent");
}

// With a configuration, for what has no flag.
class ConfiguredProbationTest : public ProbationTest {
 protected:
  void start_with(const std::string& keys) {
    auto options = fake({"--release", "1.0"});
    options.config = "probation = \"1h\"\n" + keys;
    supervisor.start(options);
  }
  std::string upgrade_and_wait_for_the_verdict(const std::vector<std::string>& args) {
    const auto upgraded = supervisor.upgrade_with(args);
    EXPECT_EQ(upgraded.status, 0) << upgraded.done().dump();
    EXPECT_TRUE(supervisor.eventually([&] { return last("probation_failed").is_object(); }));
    wait_for("1.0", "permanent");
    return last("probation_failed").at("error").at("message");
  }
};

TEST_F(ConfiguredProbationTest, MoreErrorsThanAReleaseMayCountTakeItBack) {
  start_with("max_errors = 3\n");
  EXPECT_EQ(upgrade_and_wait_for_the_verdict({"--release", "2.0", "--errors", "4"}),
            "the service has counted 4 errors, and max_errors is 3");
}

TEST_F(ConfiguredProbationTest, AFailingHttpCheckTakesItBack) {
  start_with("health = { type = \"http\", interval = \"10ms\", failures = 2 }\n");
  const std::string why = upgrade_and_wait_for_the_verdict({"--release", "2.0"});
  EXPECT_NE(why.find("the health check fails: GET / at tcp:127.0.0.1:"), std::string::npos) << why;
}

TEST_F(ConfiguredProbationTest, AnHttpCheckThatPassesLetsItStay) {
  start_with("health = { type = \"http\", interval = \"10ms\" }\n");
  const auto upgraded = supervisor.upgrade_with(
      {"--release", "2.0", "--answer", "HTTP/1.0 200 OK\r\n\r\n"}, {"--probation", "100ms"});
  EXPECT_EQ(upgraded.status, 0) << upgraded.done().dump();
  wait_for("2.0", "permanent");
}

TEST_F(ConfiguredProbationTest, AFailingCommandTakesItBack) {
  start_with(
      "health = { type = \"exec\", command = [\"sh\", \"-c\", \"exit 4\"], interval = \"10ms\" "
      "}\n");
  EXPECT_EQ(upgrade_and_wait_for_the_verdict({"--release", "2.0"}),
            "the health check fails: sh exited with status 4");
}

TEST_F(ConfiguredProbationTest, ASilentServiceDoesNotPassWhereItHasToSpeak) {
  start_with("health = { type = \"service\" }\n");
  const auto upgraded = supervisor.upgrade_with({"--release", "2.0"}, {"--probation", "50ms"});
  EXPECT_EQ(upgraded.status, 0);
  EXPECT_TRUE(supervisor.eventually([&] { return last("probation_failed").is_object(); }));
  wait_for("1.0", "permanent");  // until then upgrades are refused
  const auto well =
      supervisor.upgrade_with({"--release", "3.0", "--health", "well"}, {"--probation", "50ms"});
  EXPECT_EQ(well.status, 0) << well.describe();
  wait_for("3.0", "permanent");
}

TEST_F(ProbationTest, RollbackGoesBackAndForth) {
  start();
  upgrade();
  const auto back = supervisor.command({"rollback", "chat", "--json"});
  EXPECT_EQ(back.status, 0) << back.err;
  EXPECT_EQ(ask_service(supervisor), "1.0 3");
  wait_for("1.0", "permanent");
  EXPECT_EQ(last("upgrade").at("command"), "rollback");
  EXPECT_EQ(last("upgrade").at("by"), "operator");
  ASSERT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
  EXPECT_EQ(ask_service(supervisor), "2.0 4");
  wait_for("2.0", "provisional");
}

TEST_F(ProbationTest, RollbackWithNothingToGoBackToIsRefused) {
  start();
  const auto refused = supervisor.command({"rollback", "chat"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("no release to go back to"), std::string::npos) << refused.err;
  EXPECT_EQ(ask_service(supervisor), "1.0 1");
}

TEST_F(ProbationTest, RollbackThatTheNewerReleaseCantDoChangesNothing) {
  start();
  upgrade({"--donor", "fail"});
  const auto failed = supervisor.command({"rollback", "chat"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(ask_service(supervisor), "2.0 2");
  EXPECT_EQ(supervisor.status().at("standing"), "provisional");
}

TEST_F(ProbationTest, AnUpgradeDuringProbationCanGoBackToThePermanentRelease) {
  start();
  upgrade();
  ASSERT_EQ(supervisor.upgrade_with({"--release", "3.0", "--sessions", "5"}, {"--probation", "1h"})
                .status,
            0);
  EXPECT_EQ(supervisor.status().at("back").at("release"), "1.0");
  ASSERT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
  EXPECT_EQ(ask_service(supervisor), "1.0 4");
}

TEST_F(ProbationTest, UpgradingToThePermanentReleaseIsGoingBack) {
  start();
  upgrade();
  const auto upgraded =
      supervisor.upgrade_with({"--release", "1.0", "--sessions", "5"}, {"--probation", "1h"});
  ASSERT_EQ(upgraded.status, 0);
  EXPECT_EQ(upgraded.done().at("standing"), "permanent");
  EXPECT_EQ(upgraded.done().at("back").at("release"), "2.0");
}

TEST_F(ProbationTest, WithoutAProbationItIsPermanentAtOnce) {
  start();
  const auto upgraded =
      supervisor.upgrade_with({"--release", "2.0", "--sessions", "5"}, {"--probation", "0s"});
  ASSERT_EQ(upgraded.status, 0);
  EXPECT_EQ(upgraded.done().at("standing"), "permanent");
}

TEST_F(ProbationTest, TheTableShowsWhereItStands) {
  start();
  upgrade();
  const auto table = supervisor.command({"status"});
  EXPECT_NE(table.out.find("STANDING"), std::string::npos);
  EXPECT_NE(table.out.find("provisional"), std::string::npos);
  EXPECT_NE(table.out.find("BACK TO"), std::string::npos);
}

}  // namespace
}  // namespace handoff::test
