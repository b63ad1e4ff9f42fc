// Sessions that are busy at an upgrade, under the real supervisor: they stay with the old release,
// are counted as waiting, and move when they are released, or when the drain is over.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/clients/echo_swarm.h"
#include "support/clients/line_client.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

std::size_t late(const nlohmann::json& status) { return status.at("late").size(); }

TEST(LateSessionsTest, WhoHoldsStaysIsCountedAndMovesWhenReleased) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient busy(supervisor.port()), idle(supervisor.port());
  EXPECT_EQ(busy.ask("hold"), "1 1 hold");
  EXPECT_EQ(idle.ask("a"), "1 1 a");

  const auto upgrade = supervisor.upgrade(echo(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("sessions").at("moved"), 1) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("sessions").at("waiting"), 1);
  EXPECT_EQ(upgrade.done().at("sessions").at("lost"), 0);

  EXPECT_EQ(busy.ask("b"), "2 1 b");
  EXPECT_EQ(idle.ask("b"), "2 2 b");
  const auto status = supervisor.status();
  ASSERT_EQ(late(status), 1u) << status.dump(2);
  EXPECT_EQ(status.at("late")[0].at("generation"), 1);
  EXPECT_EQ(status.at("late")[0].at("sessions"), 1);
  EXPECT_EQ(status.at("sessions"), 1);
  EXPECT_EQ(status.at("state"), "running");

  // The answer comes from the old release; the line that follows is answered by the new one.
  EXPECT_EQ(busy.ask("release"), "3 1 release");
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  EXPECT_EQ(busy.ask("c"), "4 2 c");
  EXPECT_EQ(supervisor.status().at("sessions"), 2);
}

TEST(LateSessionsTest, APlanTellsHowManyWouldWait) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient busy(supervisor.port()), idle(supervisor.port());
  EXPECT_EQ(busy.ask("hold"), "1 1 hold");
  EXPECT_EQ(idle.ask("a"), "1 1 a");
  const auto plan = supervisor.plan(echo(2));
  EXPECT_EQ(plan.status, 0) << plan.describe();
  EXPECT_EQ(plan.done().at("sessions").at("move"), 1) << plan.describe();
  EXPECT_EQ(plan.done().at("sessions").at("wait"), 1);
  EXPECT_EQ(busy.ask("b"), "2 1 b");
  EXPECT_EQ(idle.ask("b"), "2 1 b");
}

TEST(LateSessionsTest, ThroughTwoUpgradesItGoesToTheOwnerOfThatTime) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient busy(supervisor.port()), later(supervisor.port());
  EXPECT_EQ(busy.ask("hold"), "1 1 hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  EXPECT_EQ(later.ask("hold"), "1 2 hold");
  const auto second = supervisor.upgrade(echo(1));
  ASSERT_EQ(second.status, 0) << second.describe();
  EXPECT_EQ(second.done().at("sessions").at("waiting"), 1);
  EXPECT_EQ(late(supervisor.status()), 2u);
  EXPECT_EQ(busy.ask("a"), "2 1 a");
  EXPECT_EQ(later.ask("a"), "2 2 a");
  EXPECT_EQ(later.ask("release"), "3 2 release");
  EXPECT_EQ(busy.ask("release"), "3 1 release");
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0 && s.at("sessions") == 2; });
  EXPECT_EQ(busy.ask("b"), "4 1 b");
  EXPECT_EQ(later.ask("b"), "4 1 b");
}

// Other clients write all the time while late sessions move.
TEST(LateSessionsTest, NoByteIsLostOfThoseThatGoAndThoseThatStay) {
  Supervisor supervisor({.command = {echo(1)}});
  std::vector<std::unique_ptr<LineClient>> busy;
  for (int i = 0; i < 50; ++i) {
    busy.push_back(std::make_unique<LineClient>(supervisor.port()));
    ASSERT_EQ(busy.back()->ask("hold"), "1 1 hold");
  }
  EchoSwarm swarm({.port = supervisor.port(), .residents = 200, .visitors_per_second = 50});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const auto upgrade = supervisor.upgrade(echo(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("sessions").at("waiting"), 50);
  // All are released at once, each with more lines behind the release.
  for (auto& client : busy) client->send("release\nx\ny\n");
  for (auto& client : busy) {
    EXPECT_EQ(client->next(), "2 1 release");
    EXPECT_EQ(client->next().substr(0, 2), "3 ");
    EXPECT_EQ(client->next().substr(0, 2), "4 ");
  }
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  for (auto& client : busy) EXPECT_EQ(client->ask("z"), "5 2 z");
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  const auto report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
}

// ---- the end of the drain

TEST(LateSessionsTest, AtTheEndOfTheDrainTheyMoveAsTheyAre) {
  Supervisor supervisor({.command = {echo(1)}, .config = "drain = \"200ms\"\nlate = \"move\"\n"});
  LineClient busy(supervisor.port());
  busy.ask("hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  EXPECT_EQ(busy.ask("a"), "2 2 a");
}

TEST(LateSessionsTest, OrTheyAreClosed) {
  Supervisor supervisor({.command = {echo(1)}, .config = "drain = \"200ms\"\nlate = \"close\"\n"});
  LineClient busy(supervisor.port()), idle(supervisor.port());
  busy.ask("hold");
  idle.ask("a");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  EXPECT_ANY_THROW(busy.next()) << "a reset";
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  EXPECT_EQ(idle.ask("b"), "2 2 b");
}

TEST(LateSessionsTest, OrTheyAreKept) {
  Supervisor supervisor({.command = {echo(1)}, .config = "drain = \"0s\"\nlate = \"keep\"\n"});
  LineClient busy(supervisor.port());
  busy.ask("hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  // Late sessions must stay past the end of the drain. No event tells that nothing happens, so the
  // test watches for a second.
  int lines = 1;
  for (const Deadline second = Deadline::in(1s); !second.passed();) {
    ASSERT_EQ(busy.ask("a"), std::to_string(++lines) + " 1 a");
    ASSERT_EQ(late(supervisor.status()), 1u);
  }
  busy.ask("release");
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  EXPECT_EQ(busy.ask("b"), std::to_string(lines + 2) + " 2 b");
}

// ---- the limit

TEST(LateSessionsTest, TooManyGenerationsRefuseTheNextUpgradeAndSayWhoIsBusy) {
  Supervisor supervisor({.command = {echo(1)}, .config = "max_generations = 2\n"});
  LineClient busy(supervisor.port());
  busy.ask("hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  const auto refused = supervisor.upgrade(echo(1));
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_EQ(refused.done().at("error").at("code"), "generations");
  EXPECT_NE(refused.done().at("error").at("message").get<std::string>().find(
                "generation 1 is busy with 1 session"),
            std::string::npos)
      << refused.describe();
  busy.ask("release");
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  EXPECT_EQ(supervisor.upgrade(echo(1)).status, 0);
  EXPECT_EQ(busy.ask("a"), "3 1 a");
}

// ---- progressive

TEST(LateSessionsTest, AProgressiveUpgradeMovesShareAfterShare) {
  Supervisor supervisor({.command = {echo(1)}});
  EchoSwarm swarm({.port = supervisor.port(), .residents = 200, .visitors_per_second = 100});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const auto upgrade =
      supervisor.upgrade(echo(2), {}, {"--progressive", "10%,50%,100%", "--pause", "300ms"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  const auto moved = upgrade.done().at("sessions").at("moved").get<std::size_t>();
  const auto waiting = upgrade.done().at("sessions").at("waiting").get<std::size_t>();
  EXPECT_GT(waiting, 3 * moved) << upgrade.describe();
  supervisor.wait_for_status([](const auto& s) { return s.at("share") == 50.0 && late(s) == 1; });
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  const auto report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
}

TEST(LateSessionsTest, AnUpgradeBackInTheMiddleOfAProgressiveOneGathersAllSessionsAgain) {
  Supervisor supervisor({.command = {echo(1)}});
  EchoSwarm swarm({.port = supervisor.port(), .residents = 200, .visitors_per_second = 50});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  ASSERT_EQ(supervisor.upgrade(echo(2), {}, {"--progressive", "50%,100%", "--pause", "1h"}).status,
            0);
  EXPECT_EQ(supervisor.status().at("share"), 50.0);
  const auto back = supervisor.upgrade(echo(1));
  ASSERT_EQ(back.status, 0) << back.describe();
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const auto report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_EQ(supervisor.status().at("generation"), 3);
}

TEST(LateSessionsTest, AProgressiveUpgradeOfAServiceWithSectionsIsRefusedAndSaysWhy) {
  Supervisor supervisor({.command = {program("handoff-kv-1")}, .name = "kv"});
  const auto refused =
      supervisor.upgrade(program("handoff-kv-2"), {}, {"--progressive", "10%,100%"});
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_EQ(refused.done().at("error").at("code"), "rejected") << refused.describe();
  EXPECT_NE(refused.describe().find("a service without sections"), std::string::npos)
      << refused.describe();
  const auto told =
      supervisor.command({"upgrade", "kv", program("handoff-kv-2"), "--progressive", "10%,100%"});
  EXPECT_NE(told.err.find("Leave out --progressive"), std::string::npos) << told.err;
  EXPECT_EQ(told.err.find("handoff stop"), std::string::npos) << told.err;
}

// ---- other ends

TEST(LateSessionsTest, StoppingTheServiceStopsTheLateOnes) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient busy(supervisor.port());
  busy.ask("hold");
  const UniqueFd old = hold(supervisor.service_pid());
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  EXPECT_EQ(supervisor.command({"stop", supervisor.name()}).status, 0);
  EXPECT_TRUE(wait_end(old));
  EXPECT_TRUE(busy.at_end());
}

TEST(LateSessionsTest, TheyOutliveTheirSupervisorAndMoveAllTheSame) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient busy(supervisor.port());
  busy.ask("hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  supervisor.kill();
  EXPECT_EQ(busy.ask("a"), "2 1 a");
  supervisor.start_again();
  supervisor.wait_for_status([](const auto& s) { return late(s) == 1; });
  EXPECT_EQ(busy.ask("release"), "3 1 release");
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0 && s.at("sessions") == 1; });
  EXPECT_EQ(busy.ask("b"), "4 2 b");
}

TEST(LateSessionsTest, TheNewReleasesCrashLeavesThemWhereTheyAreAndTheyGoToTheNextOne) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient busy(supervisor.port());
  busy.ask("hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  ASSERT_EQ(supervisor.command({"commit", supervisor.name()}).status, 0);
  const pid_t owner = supervisor.service_pid();
  ::kill(owner, SIGKILL);
  supervisor.wait_for_status(
      [&](const auto& s) { return s.at("state") == "running" && s.at("pid") != owner; });
  EXPECT_EQ(busy.ask("a"), "2 1 a");
  LineClient fresh(supervisor.port());
  EXPECT_EQ(fresh.ask("a"), "1 2 a");
  EXPECT_EQ(late(supervisor.status()), 1u);
  EXPECT_EQ(busy.ask("release"), "3 1 release");
  supervisor.wait_for_status([](const auto& s) { return late(s) == 0; });
  EXPECT_EQ(busy.ask("b"), "4 2 b");
}

}  // namespace
}  // namespace handoff::test
