// A thousand clients write all the time while the service under them is replaced again and again.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "support/clients/echo_swarm.h"
#include "support/clients/line_client.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kClients = 1000;
constexpr int kUpgrades = 20;
constexpr std::size_t kMaxLine = std::size_t{1} << 20;  // of the echo service

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

TEST(EchoUpgradeTest, TwentyUpgradesInARowLoseNoByteOfAThousandBusyConnections) {
  Supervisor supervisor({.command = {echo(1)}});
  EchoSwarm swarm({.port = supervisor.port(), .residents = kClients, .visitors_per_second = 200});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)))
      << swarm.stop(Deadline::in(1s)).describe();

  std::vector<std::string> expected = {"1"};
  for (int i = 0; i < kUpgrades; ++i) {
    const int version = i % 2 == 0 ? 2 : 1;
    expected.push_back(std::to_string(version));
    supervisor.settle();  // else too many donors would still be on their way out
    const auto upgrade = supervisor.upgrade(echo(version));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    const auto done = upgrade.done();
    ASSERT_EQ(done.value("result", ""), "done") << upgrade.describe();
    EXPECT_GE(done.at("sessions").at("moved").get<std::size_t>(), kClients);
    EXPECT_EQ(done.at("sessions").at("lost"), 0);
    ASSERT_TRUE(swarm.wait_until_each_answered_by(expected.back(), Deadline::in(30s)))
        << "upgrade " << i + 1 << ": " << swarm.stop(Deadline::in(1s)).describe();
  }

  const EchoSwarm::Report report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_GT(report.visitors, 0u);
  for (const auto& versions : report.versions) ASSERT_EQ(versions, expected);
  RecordProperty("lines", std::to_string(report.lines));
  std::cout << report.describe() << "\n";
}

TEST(EchoUpgradeTest, ALineThatIsHalfSentGoesOnInTheNextRelease) {
  Supervisor supervisor({.command = {echo(1)}});
  const std::string text(kMaxLine, 'x');
  LineClient client(supervisor.port());
  client.send(text.substr(0, kMaxLine / 2));
  for (const int version : {2, 1, 2}) ASSERT_EQ(supervisor.upgrade(echo(version)).status, 0);
  client.send(text.substr(kMaxLine / 2) + "\n");
  EXPECT_EQ(client.next(), "1 2 " + text);
}

TEST(EchoUpgradeTest, AnAnswerThatTheClientDoesNotReadWaitsThroughUpgrades) {
  Supervisor supervisor({.command = {echo(1)}});
  const std::string text(kMaxLine, 'x');
  LineClient client(supervisor.port());
  // More than the sockets hold: part of the answers is output that the service still has.
  constexpr int kLines = 8;
  std::thread sender([&] {
    for (int i = 0; i < kLines; ++i) client.say(text);
  });
  for (const int version : {2, 1, 2}) ASSERT_EQ(supervisor.upgrade(echo(version)).status, 0);
  for (int i = 1; i <= kLines; ++i) {
    const std::string reply = client.next();
    const std::string number = std::to_string(i) + " ";
    EXPECT_TRUE(reply == number + "1 " + text || reply == number + "2 " + text) << i;
  }
  sender.join();
}

TEST(EchoUpgradeTest, ALineOverTheLimitEndsTheConnection) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  client.say("hello");
  client.send(std::string(kMaxLine + 1, 'x'));
  EXPECT_EQ(client.next(), "1 1 hello");
  EXPECT_TRUE(client.at_end());
}

TEST(EchoUpgradeTest, TheServiceStopsWhenItsSupervisorIsToldTo) {
  Supervisor supervisor({.command = {echo(1)}});
  const UniqueFd service = hold(supervisor.service_pid());
  const auto stop = supervisor.command({"stop", supervisor.name()});
  EXPECT_EQ(stop.status, 0) << stop.describe();
  EXPECT_TRUE(wait_end(service));
}

}  // namespace
}  // namespace handoff::test
