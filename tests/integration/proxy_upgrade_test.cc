// A proxy is replaced again and again under transfers, whose both sockets move each time.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/clients/relay_load.h"
#include "support/clients/sockets.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

std::string proxy(int version) { return program("handoff-proxy-" + std::to_string(version)); }
std::string address_of(int port) { return "tcp:127.0.0.1:" + std::to_string(port); }

// scripts/test long asks for more.
std::uint64_t asked(const char* name, std::uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

TEST(ProxyUpgradeTest, TransfersGoThroughUpgradesByteByByte) {
  const std::uint64_t upgrades = asked("HANDOFF_PROXY_UPGRADES", 6);
  const std::uint64_t transfers = asked("HANDOFF_PROXY_TRANSFERS", 100);
  constexpr std::size_t kClients = 12;
  const InvertingServer upstream;
  const std::string at = address_of(upstream.port());
  Supervisor supervisor(
      {.command = {proxy(1), "--name", "proxy", "--upstream", at}, .name = "proxy"});
  RelayLoad load(supervisor.port(), kClients);
  std::uint64_t sessions = 0;
  for (std::uint64_t i = 0; i < upgrades; ++i) {
    supervisor.settle();
    const auto upgrade =
        supervisor.upgrade(proxy(i % 2 == 0 ? 2 : 1), {"--name", "proxy", "--upstream", at});
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    load.upgraded();
    const auto done = upgrade.done();
    EXPECT_EQ(done.at("sessions").at("lost"), 0);
    sessions += done.at("sessions").at("moved").get<std::uint64_t>();
  }
  EXPECT_TRUE(supervisor.eventually([&] { return load.transfers() >= transfers; }));
  EXPECT_EQ("", load.stop());
  EXPECT_GE(load.transfers(), transfers);
  EXPECT_GT(load.moved(), 0U);
  EXPECT_GE(sessions, upgrades);
  std::cout << load.transfers() << " transfers, " << load.bytes() << " bytes, " << load.moved()
            << " of them through an upgrade; " << sessions << " sessions in " << upgrades
            << " upgrades\n";
}

TEST(ProxyUpgradeTest, TheNextReleaseTriesAnotherUpstream) {
  const UniqueFd first = listen_on_loopback();
  const UniqueFd second = listen_on_loopback();
  const std::string refuses = address_of(port_of(first.get()));
  ::shutdown(first.get(), SHUT_RDWR);
  const std::vector<std::string> arguments = {
      "--name", "proxy", "--upstream", refuses, "--upstream", address_of(port_of(second.get()))};
  std::vector<std::string> command = {proxy(1)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Supervisor supervisor({.command = command, .name = "proxy"});
  EXPECT_EQ("RESET", LineClient(supervisor.port()).line());
  ASSERT_EQ(supervisor.upgrade(proxy(2), arguments).status, 0);
  LineClient client(supervisor.port());
  const UniqueFd upstream(::accept4(second.get(), nullptr, nullptr, SOCK_CLOEXEC));
  send_all(upstream.get(), "hello\n");
  EXPECT_EQ("hello", client.next());
  // The release before keeps the connection that it could not have made.
  ASSERT_EQ(supervisor.command({"rollback", "proxy"}).status, 0);
  send_all(upstream.get(), "again\n");
  EXPECT_EQ("again", client.next());
}

}  // namespace
}  // namespace handoff::test
