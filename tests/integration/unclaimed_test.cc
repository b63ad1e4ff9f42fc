// Releases that add and drop listeners, sections and kinds of sessions, under the real supervisor:
// what one adds can be taken back, and what one drops becomes what the configuration says.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::vector<std::string> kMore{"--also", "admin=tcp:127.0.0.1:0", "--section", "takes it"};

json left(const char* sort, const char* name, const char* becomes) {
  return {{"sort", sort}, {"name", name}, {"becomes", becomes}};
}
json left_sessions(std::uint64_t sessions) {
  return {{"sort", "sessions"}, {"name", "admin"}, {"becomes", "late"}, {"sessions", sessions}};
}
bool has_listener(const json& status, const std::string& name) {
  for (const json& one : status.at("listeners")) {
    if (one.at("name") == name) return true;
  }
  return false;
}
bool keeps_listener(const json& status, const std::string& name) {
  for (const json& one : status.at("listeners")) {
    if (one.at("name") == name) return one.value("kept", false);
  }
  return false;
}

class UnclaimedTest : public ::testing::Test {
 protected:
  // steps-1, with what the test adds to the configuration.
  void start(const std::string& config, bool more = false) {
    Supervisor::Options options{.command = {program("steps-1")}, .name = "steps"};
    if (more) {
      options.command.insert(options.command.end(), kMore.begin(), kMore.end());
      options.listeners.emplace_back("admin=tcp:127.0.0.1:0");
    }
    options.config =
        config + "probation = \"1h\"\nhealth = { type = \"exec\", command = [\"test\", \"!\", " +
        "\"-e\", \"" + omen() + "\"], interval = \"20ms\", failures = 2 }\n";
    supervisor_.start(std::move(options));
  }
  void connect(int count) {
    for (int i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<LineClient>(supervisor_.port()));
      ASSERT_EQ(clients_.back()->ask("a"), "1 1 - -");
    }
  }
  std::string omen() const { return dir_ / "omen"; }
  json taken_back() {
    write_file(omen(), "");
    return supervisor_.wait_for_status([](const json& status) {
      return status.at("release") == "1.0" && status.at("standing") == "permanent" &&
             status.at("state") == "running";
    });
  }
  json late() const { return supervisor_.status().at("late"); }
  void wait_until_nobody_is_late() {
    supervisor_.wait_for_status([](const json& status) { return status.at("late").empty(); });
  }

  TempDir dir_;
  Supervisor supervisor_;
  std::vector<std::unique_ptr<LineClient>> clients_;
};

// ---- what a release adds

TEST_F(UnclaimedTest, AReleaseThatAddsAListenerASectionAndAKindIsTakenBackWithAllSessions) {
  start("");
  connect(20);
  const auto upgrade = supervisor_.upgrade(program("steps-2"), kMore);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("left_out"), json::array());
  for (auto& client : clients_) ASSERT_EQ(client->ask("b"), "2 2 - -");
  const json back = taken_back().at("last_upgrade");
  EXPECT_EQ(back.at("sessions").at("moved"), 20);
  EXPECT_EQ(back.at("sessions").at("waiting"), 0);
  EXPECT_EQ(back.at("sessions").at("lost"), 0);
  EXPECT_EQ(back.at("left_out"), json::array({left("listener", "admin", "closed"), left_sessions(0),
                                              left("section", "notes", "dropped")}))
      << back;
  for (auto& client : clients_) EXPECT_EQ(client->ask("c"), "1 3 - -");
  const auto records = supervisor_.history("upgrade");
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.back().at("left_out").size(), 3U);
}

TEST_F(UnclaimedTest, SessionsOfAKindThatTheReleaseBeforeLacksEndInTheirOwnTime) {
  start("drain = \"200ms\"\n");
  connect(20);
  ASSERT_EQ(supervisor_.upgrade(program("steps-2"), kMore).status, 0);
  LineClient admin(supervisor_.port("admin"));
  EXPECT_EQ(admin.ask("x"), "2 1 - -");
  const json back = taken_back().at("last_upgrade");
  EXPECT_EQ(back.at("sessions").at("moved"), 20);
  EXPECT_EQ(back.at("sessions").at("waiting"), 1);
  EXPECT_EQ(back.at("sessions").at("lost"), 0);
  for (auto& client : clients_) EXPECT_EQ(client->ask("b"), "1 2 - -");
  ASSERT_EQ(late().size(), 1U);
  EXPECT_EQ(late()[0].at("sessions"), 1);
  EXPECT_EQ(admin.ask("y"), "2 2 x -");
  admin = LineClient(supervisor_.port());  // the other one ends
  EXPECT_EQ(admin.ask("z"), "1 1 - -");
  wait_until_nobody_is_late();
  EXPECT_EQ(supervisor_.status().at("sessions"), 21);
}

// ---- what a release drops

TEST_F(UnclaimedTest, WhatIsDroppedIsRefusedUnlessTheConfigurationSaysWhatBecomesOfIt) {
  start("", true);
  connect(3);
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--release", "2"});
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  const json error = upgrade.done().at("error");
  EXPECT_EQ(error.at("code"), "unclaimed");
  EXPECT_NE(error.at("message").get<std::string>().find("does not claim 'admin'"),
            std::string::npos)
      << error;
  for (auto& client : clients_) EXPECT_EQ(client->ask("b"), "1 2 - -");
}

TEST_F(UnclaimedTest, AListenerThatIsKeptServesWhoWaitedOnceAReleaseClaimsIt) {
  start("unclaimed = { listeners = \"keep\", sections = \"drop\", sessions = \"late\" }\n", true);
  connect(3);
  const int port = supervisor_.port("admin");
  LineClient admin(port);
  ASSERT_EQ(admin.ask("x"), "1 1 - -");
  const auto plan = supervisor_.plan(program("steps-2"), {"--release", "2"});
  EXPECT_EQ(plan.status, 0) << plan.describe();
  EXPECT_NE(plan.done()
                .at("sentence")
                .get<std::string>()
                .find("listener 'admin' is kept: nobody accepts on it until a release claims it"),
            std::string::npos)
      << plan.done().at("sentence");
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--release", "2"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("left_out"),
            json::array({left("listener", "admin", "kept"), left_sessions(1),
                         left("section", "notes", "dropped")}))
      << upgrade.done();
  EXPECT_TRUE(keeps_listener(supervisor_.status(), "admin"));
  EXPECT_EQ(admin.ask("y"), "1 2 - -") << "the old release has it still";
  LineClient waits(port);
  waits.say("z");
  const auto rollback = supervisor_.command({"rollback", "steps", "--json"});
  ASSERT_EQ(rollback.status, 0) << rollback.describe();
  EXPECT_EQ(waits.next(), "1 1 - -");
  EXPECT_FALSE(keeps_listener(supervisor_.status(), "admin"));
  EXPECT_EQ(supervisor_.port("admin"), port);
  wait_until_nobody_is_late();
  EXPECT_EQ(admin.ask("z"), "1 3 - -") << "it has moved to whoever claims it again";
  for (auto& client : clients_) EXPECT_EQ(client->ask("b"), "1 2 - -");
}

TEST_F(UnclaimedTest, AListenerIsClosedOnceTheReleaseIsPermanentAndNotBefore) {
  start("unclaimed = { listeners = \"close\", sections = \"drop\", sessions = \"late\" }\n", true);
  connect(3);
  const int port = supervisor_.port("admin");
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--release", "2"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("left_out")[0], left("listener", "admin", "closed"));
  LineClient waits(port);
  waits.say("z");
  // A release that goes back finds the listener.
  ASSERT_EQ(supervisor_.command({"rollback", "steps", "--json"}).status, 0);
  EXPECT_EQ(waits.next(), "1 1 - -");
  ASSERT_EQ(supervisor_.upgrade(program("steps-2"), {"--release", "2"}).status, 0);
  ASSERT_EQ(supervisor_.command({"commit", "steps"}).status, 0);
  EXPECT_FALSE(has_listener(supervisor_.status(), "admin"));
  EXPECT_ANY_THROW(LineClient{port});
  for (auto& client : clients_) EXPECT_EQ(client->ask("b"), "2 2 - -");
  // The next one that claims it binds it.
  std::vector<std::string> arguments = kMore;
  ASSERT_EQ(supervisor_.upgrade(program("steps-3"), arguments).status, 0);
  EXPECT_TRUE(has_listener(supervisor_.status(), "admin"));
  EXPECT_EQ(LineClient(supervisor_.port("admin")).ask("a"), "3 1 - 1");
}

// The configuration has it at one address, and the program declares another.
TEST_F(UnclaimedTest, AListenerThatWasClosedIsBoundWhereTheConfigurationHasItForWhoClaimsItAgain) {
  namespace fs = std::filesystem;
  const std::string ours = dir_ / "admin.sock";
  const std::string theirs = dir_ / "declared.sock";
  const std::vector<std::string> more{"--also", "admin=unix:" + theirs};
  Supervisor::Options options{.command = {program("steps-1")}, .name = "steps"};
  options.command.insert(options.command.end(), more.begin(), more.end());
  options.listeners.push_back("admin=unix:" + ours);
  options.config = "unclaimed = { listeners = \"close\", sessions = \"late\" }\n";
  supervisor_.start(std::move(options));
  ASSERT_TRUE(fs::exists(ours));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2"), {"--release", "2"}).status, 0);
  ASSERT_EQ(supervisor_.command({"commit", "steps"}).status, 0);
  EXPECT_FALSE(has_listener(supervisor_.status(), "admin"));
  EXPECT_FALSE(fs::exists(ours));

  write_file(ours, "somebody's");
  supervisor_.settle();
  const auto refused = supervisor_.upgrade(program("steps-3"), more);
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_NE(refused.describe().find("listener admin"), std::string::npos) << refused.describe();
  fs::remove(ours);
  ASSERT_EQ(supervisor_.upgrade(program("steps-3"), {"--release", "3"}).status, 0);
  EXPECT_FALSE(has_listener(supervisor_.status(), "admin"));
  EXPECT_FALSE(fs::exists(ours)) << "closed again at once, since nobody claims it";

  supervisor_.settle();
  const auto upgrade = supervisor_.upgrade(program("steps-3"), more);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_TRUE(fs::exists(ours));
  EXPECT_FALSE(fs::exists(theirs));
  const json status = supervisor_.status();
  for (const json& one : status.at("listeners")) {
    if (one.at("name") != "admin") continue;
    EXPECT_EQ(one.at("address"), "unix:" + ours);
    EXPECT_FALSE(one.contains("kept"));
    EXPECT_FALSE(one.contains("also"));
    EXPECT_EQ(one.at("configured"), nullptr);
  }
  EXPECT_TRUE(has_listener(supervisor_.status(), "admin"));
  // The supervisor has it from now on.
  const pid_t before = supervisor_.service_pid();
  ASSERT_EQ(supervisor_.command({"commit", "steps"}).status, 0);
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  supervisor_.wait_for_status([before](const json& now) {
    return now.at("state") == "running" && now.at("pid") != before;
  });
  EXPECT_TRUE(fs::exists(ours));
  EXPECT_FALSE(fs::exists(theirs));
}

// A start from nothing gives a release only what it claims, and it starts.
TEST_F(UnclaimedTest, ACrashStartsAReleaseWithoutTheListenerThatItDropped) {
  start("unclaimed = { listeners = \"keep\", sections = \"drop\", sessions = \"late\" }\n", true);
  ASSERT_EQ(supervisor_.upgrade(program("steps-2"), {"--release", "2"}).status, 0);
  ASSERT_EQ(supervisor_.command({"commit", "steps"}).status, 0);
  const pid_t before = supervisor_.service_pid();
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  supervisor_.wait_for_status([before](const json& status) {
    return status.at("state") == "running" && status.at("pid") != before;
  });
  EXPECT_EQ(LineClient(supervisor_.port()).ask("a"), "2 1 - -");
  EXPECT_TRUE(keeps_listener(supervisor_.status(), "admin"));
}

// ---- no way back

TEST_F(UnclaimedTest, AReleaseThatCantHandBackIsRefusedUnlessThatIsWanted) {
  start("");
  connect(3);
  const std::vector<std::string> arguments{"--without", "2-1"};
  const auto plan = supervisor_.plan(program("steps-2"), arguments);
  EXPECT_EQ(plan.status, 1) << plan.describe();
  const auto sentence = plan.done().at("sentence").get<std::string>();
  EXPECT_EQ(sentence.find("An upgrade of steps would be refused: there is no way back by a handoff "
                          "from release 2.0 to release 1.0: no state version in common"),
            0U)
      << sentence;
  const auto refused = supervisor_.upgrade(program("steps-2"), arguments);
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_EQ(refused.done().at("error").at("code"), "one_way");
  for (auto& client : clients_) EXPECT_EQ(client->ask("b"), "1 2 - -");
  const auto wanted = supervisor_.plan(program("steps-2"), arguments, {"--one-way"});
  EXPECT_EQ(wanted.status, 0) << wanted.describe();
  const auto upgrade = supervisor_.upgrade(program("steps-2"), arguments, {"--one-way"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_TRUE(upgrade.done().at("one_way").is_string());
  for (auto& client : clients_) EXPECT_EQ(client->ask("c"), "2 3 - -");
  EXPECT_TRUE(supervisor_.history("upgrade").back().at("one_way").is_string());
  taken_back();
  const auto failed = supervisor_.history("probation_failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_NE(failed[0].at("error").at("message").get<std::string>().find("upgraded to one-way"),
            std::string::npos)
      << failed[0];
  EXPECT_EQ(supervisor_.history("went_back").size(), 1U) << "by a start";
  EXPECT_EQ(LineClient(supervisor_.port()).ask("a"), "1 1 - -");
}

// Before it could save that, and after it.
TEST_F(UnclaimedTest, ASupervisorThatDiesInAOneWayUpgradeDoesNotTakeThatAlong) {
  for (const char* dies : {"supervisor.donate.sent=kill", "supervisor.owner.received@2=kill"}) {
    Supervisor supervisor({.command = {program("steps-1")},
                           .name = "steps",
                           .environment = {{"HANDOFF_FAILPOINT", dies}}});
    LineClient client(supervisor.port());
    ASSERT_EQ(client.ask("a"), "1 1 - -");
    const auto upgrade =
        supervisor.upgrade(program("steps-2"), {"--without", "2-1"}, {"--one-way"});
    EXPECT_EQ(upgrade.status, 3) << upgrade.describe();
    supervisor.kill();  // it is dead already; this makes the object know
    supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
    ASSERT_TRUE(supervisor.eventually([&] { return supervisor.history("upgrade").size() == 1; }));
    const json record = supervisor.history("upgrade").front();
    EXPECT_EQ(record.at("result"), "done") << record;
    EXPECT_TRUE(record.at("one_way").is_string()) << dies << record;
    EXPECT_TRUE(supervisor.status().at("last_upgrade").at("one_way").is_string()) << dies;
    EXPECT_EQ(client.ask("b"), "2 2 - -");
  }
}

// While 2.0 is on probation, 3.0 would go back to 1.0, which does not run any more.
TEST_F(UnclaimedTest, PastAReleaseOnProbationThePermanentOneHasToReadWhatComesBack) {
  start("");
  connect(3);
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  const std::vector<std::string> arguments{"--without", "2-1"};
  const std::string why = "there is no way back by a handoff from release 3.0 to release 1.0";
  const auto refused = [&](const std::string& when) {
    const auto upgrade = supervisor_.upgrade(program("steps-3"), arguments);
    EXPECT_EQ(upgrade.status, 1) << when << upgrade.describe();
    const json error = upgrade.done().at("error");
    EXPECT_EQ(error.at("code"), "one_way") << when;
    const auto message = error.at("message").get<std::string>();
    EXPECT_EQ(message.find(why), 0U) << when << message;
    EXPECT_NE(message.find("handoff commit"), std::string::npos) << when << message;
  };
  refused("at first: ");
  ASSERT_EQ(supervisor_.command({"upgrade", "--self"}).status, 0);
  refused("after upgrade --self: ");
  supervisor_.kill();
  supervisor_.start_again();
  refused("under the next supervisor: ");
  const auto plan = supervisor_.plan(program("steps-3"), arguments);
  EXPECT_EQ(plan.status, 1) << plan.describe();
  EXPECT_EQ(plan.done().at("way_back").at("to"), "1.0");
  ASSERT_EQ(supervisor_.command({"commit", "steps"}).status, 0);
  const auto upgrade = supervisor_.upgrade(program("steps-3"), arguments);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  for (auto& client : clients_) EXPECT_EQ(client->ask("b"), "3 2 - 1");
}

}  // namespace
}  // namespace handoff::test
