// A service with a vault is killed, and its clients notice a pause: real processes, real clients,
// whoever dies, and when.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "support/clients/echo_swarm.h"
#include "support/clients/line_client.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

// Processes that come to a point ask here, and wait until they are let go or killed.
class Asked {
 public:
  explicit Asked(const std::string& path) : path_(path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    fd_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_.get(), 8), 0);
  }
  // At each pass: a recovery that begins anew comes there in other processes.
  Environment at(const std::string& point) const {
    return {{"HANDOFF_FAILPOINT", point + "@1+=ask:" + path_}};
  }
  struct One {
    UniqueFd line;  // closed: it goes on
    pid_t pid = -1;
  };
  One next() const {
    pollfd ready{fd_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 30'000), 1) << "nobody came to the point";
    One out{.line = UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC))};
    ucred peer{};
    socklen_t length = sizeof peer;
    EXPECT_EQ(::getsockopt(out.line.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length), 0);
    out.pid = peer.pid;
    return out;
  }
  void kill_next() const {
    const One one = next();
    kill_and_wait(hold(one.pid));
  }
  // From now on nobody waits: a failpoint goes on where nobody listens.
  void close() { fd_.reset(); }

 private:
  std::string path_;
  UniqueFd fd_;
};

class VaultTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }
  // Tests kill more often than anybody would bear.
  static Supervisor::Options with_vault(Environment environment = {}) {
    return {.command = {echo(1)},
            .environment = std::move(environment),
            .config = "vault = true\nvault_max_recoveries = \"100/min\"\n"};
  }
  static EchoSwarm::Options clients_of(const Supervisor& supervisor) {
    return {.port = supervisor.port(), .residents = 40, .visitors_per_second = 50};
  }
  static void kill_service(const Supervisor& supervisor) {
    kill_and_wait(hold(supervisor.service_pid()));
  }
  static void wait_for_recoveries(const Supervisor& supervisor, std::uint64_t count) {
    (void)supervisor.wait_for_status([count](const json& status) {
      return status.at("state") == "running" && status.at("vault").at("recoveries") == count;
    });
  }
  static void expect_flawless(EchoSwarm& swarm) {
    ASSERT_TRUE(swarm.wait_until_each_answered_again(Deadline::in(30s)));
    const auto report = swarm.stop(Deadline::in(30s));
    EXPECT_TRUE(report.flawless()) << report.describe();
  }
};

TEST_F(VaultTest, TwentyDeathsCostNobodyAnything) {
  Supervisor supervisor(with_vault());
  EXPECT_TRUE(supervisor.status().at("vault").at("held").get<bool>()) << supervisor.status();
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  for (std::uint64_t death = 1; death <= 20; ++death) {
    kill_service(supervisor);
    wait_for_recoveries(supervisor, death);
    ASSERT_TRUE(swarm.wait_until_each_answered_again(Deadline::in(30s))) << "death " << death;
  }
  expect_flawless(swarm);
  EXPECT_EQ(supervisor.status().at("restarts"), 0) << "none is a start from nothing";
  ASSERT_TRUE(supervisor.eventually([&] { return supervisor.history("recovery").size() == 20; }));
  for (const json& record : supervisor.history("recovery")) {
    EXPECT_EQ(record.at("result"), "done") << record;
    EXPECT_EQ(record.at("sessions").at("lost"), 0) << record;
    EXPECT_EQ(record.at("error").at("message"), "it was killed by SIGKILL") << record;
    EXPECT_GE(record.at("sessions").at("moved"), 40) << record;
    EXPECT_GT(record.at("took_us"), 0) << record;
  }
  EXPECT_TRUE(supervisor.history("crash").empty()) << "a crash costs sessions";
}

TEST_F(VaultTest, NothingIsLeftAfterAStop) {
  Supervisor supervisor(with_vault());
  kill_service(supervisor);
  wait_for_recoveries(supervisor, 1);
  const UniqueFd keeper = hold(supervisor.status().at("vault").at("keeper_pid").get<pid_t>());
  ASSERT_TRUE(keeper.valid());
  ASSERT_EQ(supervisor.command({"stop", "echo"}).status, 0);
  EXPECT_TRUE(wait_end(keeper));
  EXPECT_TRUE(supervisor.eventually([&] { return children_of(supervisor.pid()).empty(); }));
}

TEST_F(VaultTest, ItIsKnownAfterAnUpgradeToo) {
  Supervisor supervisor(with_vault());
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  kill_service(supervisor);
  wait_for_recoveries(supervisor, 1);
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  ASSERT_EQ(supervisor.command({"rollback", "echo"}).status, 0);
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  expect_flawless(swarm);
}

// ---- whoever dies in a recovery ---------------------------------------------------------------

class DeathInRecoveryTest : public VaultTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(DeathInRecoveryTest, BeginsItAnew) {
  const TempDir dir;
  Asked asked(dir / "asked");
  Supervisor supervisor(with_vault(asked.at(GetParam())));
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  kill_service(supervisor);
  for (int death = 0; death < 3; ++death) asked.kill_next();
  asked.close();
  (void)supervisor.wait_for_status([](const json& status) {
    return status.at("state") == "running" && status.at("vault").at("recoveries") != 0;
  });
  expect_flawless(swarm);
  EXPECT_TRUE(supervisor.history("crash").empty());
}

INSTANTIATE_TEST_SUITE_P(Points, DeathInRecoveryTest,
                         ::testing::Values("donor.hello.sent", "donor.freeze.before",
                                           "donor.freeze.after", "heir.hello.sent",
                                           "heir.restore.before", "heir.restore.after",
                                           "heir.claim.before", "heir.claim.after",
                                           "heir.run.before", "heir.run.after"));

// Its heir has all of the sessions.
TEST_F(VaultTest, AReaderThatHasPreparedIsNotMissed) {
  const TempDir dir;
  Asked asked(dir / "asked");
  Supervisor supervisor(with_vault(asked.at("donor.prepare.sent")));
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  kill_service(supervisor);
  asked.kill_next();
  wait_for_recoveries(supervisor, 1);
  asked.close();
  expect_flawless(swarm);
}

TEST_F(VaultTest, ASupervisorThatDiesInARecoveryChangesNothing) {
  for (const char* point : {"donor.freeze.after", "heir.restore.after", "heir.run.before"}) {
    SCOPED_TRACE(point);
    const TempDir dir;
    Asked asked(dir / "asked");
    Supervisor supervisor(with_vault(asked.at(point)));
    EchoSwarm swarm(clients_of(supervisor));
    ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
    kill_service(supervisor);
    {
      const Asked::One one = asked.next();
      supervisor.kill();
    }
    asked.close();
    supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
    expect_flawless(swarm);
  }
}

TEST_F(VaultTest, NorDoesOneThatDiesWithTheReader) {
  const TempDir dir;
  Asked asked(dir / "asked");
  Supervisor supervisor(with_vault(asked.at("donor.freeze.before")));
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  kill_service(supervisor);
  {
    const Asked::One one = asked.next();
    supervisor.kill();
    kill_and_wait(hold(one.pid));
  }
  asked.close();
  supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
  expect_flawless(swarm);
}

// ---- in the middle of an upgrade --------------------------------------------------------------

TEST_F(VaultTest, ADonorThatDiesInAnUpgradeCostsNobodyAnything) {
  for (const char* point : {"donor.hello.sent", "donor.copy_end.sent", "donor.freeze.after"}) {
    SCOPED_TRACE(point);
    const TempDir dir;
    Asked asked(dir / "asked");
    Supervisor supervisor(with_vault(asked.at(point)));
    EchoSwarm swarm(clients_of(supervisor));
    ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
    const auto upgrade = supervisor.begin({"upgrade", "--json", "echo", echo(2)});
    asked.kill_next();
    asked.close();
    EXPECT_EQ(upgrade->wait(), 1) << upgrade->out();
    wait_for_recoveries(supervisor, 1);
    ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
    expect_flawless(swarm);
    EXPECT_EQ(supervisor.history("upgrade").front().at("sessions").at("lost"), 0);
  }
}

// The old one lets go at once, and the vault that counts is the new one's.
class DeathOfAnHeirTest : public VaultTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(DeathOfAnHeirTest, BeforeItsFirstTurnCostsNobodyAnything) {
  const TempDir dir;
  Asked asked(dir / "asked");
  Supervisor supervisor(with_vault(asked.at(GetParam())));
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const auto upgrade = supervisor.begin({"upgrade", "--json", "echo", echo(2)});
  asked.kill_next();
  asked.close();
  EXPECT_EQ(upgrade->wait(), 1) << upgrade->out();
  wait_for_recoveries(supervisor, 1);
  expect_flawless(swarm);
  EXPECT_EQ(supervisor.history("upgrade").front().at("sessions").at("lost"), 0);
  EXPECT_TRUE(supervisor.history("crash").empty());
}

INSTANTIATE_TEST_SUITE_P(Points, DeathOfAnHeirTest,
                         ::testing::Values("heir.claim.after", "heir.resumed.sending",
                                           "heir.resumed.sent", "heir.run.before",
                                           "heir.run.after"));

// ---- the keeper, and the next supervisor --------------------------------------------------------

TEST_F(VaultTest, TheNextSupervisorKnowsOfIt) {
  Supervisor supervisor(with_vault());
  EchoSwarm swarm(clients_of(supervisor));
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  supervisor.kill();
  supervisor.start_again();
  EXPECT_TRUE(supervisor.status().at("vault").at("held").get<bool>()) << supervisor.status();
  kill_service(supervisor);
  wait_for_recoveries(supervisor, 1);
  expect_flawless(swarm);
}

TEST_F(VaultTest, AServiceThatDiesWithItsSupervisorGoesOnWithTheNext) {
  Supervisor supervisor(with_vault());
  EchoSwarm swarm({.port = supervisor.port(), .residents = 40});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const UniqueFd service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.start_again();
  wait_for_recoveries(supervisor, 1);
  expect_flawless(swarm);
}

TEST_F(VaultTest, WithoutItsKeeperAServiceIsAsOneWithoutAVault) {
  Supervisor supervisor(with_vault());
  const pid_t keeper = supervisor.status().at("vault").at("keeper_pid").get<pid_t>();
  kill_and_wait(hold(keeper));
  const json status = supervisor.wait_for_status(
      [](const json& now) { return now.at("vault").at("held") == false; });
  EXPECT_EQ(status.at("vault").at("why"), "its keeper has ended");
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  kill_service(supervisor);
  (void)supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("restarts") == 1; });
  EXPECT_EQ(supervisor.status().at("vault").at("recoveries"), 0);
  EXPECT_TRUE(supervisor.status().at("vault").at("held").get<bool>()) << "the next one has one";
}

TEST_F(VaultTest, ARestartGivesAnotherKeeper) {
  Supervisor supervisor(with_vault());
  kill_and_wait(hold(supervisor.status().at("vault").at("keeper_pid").get<pid_t>()));
  ASSERT_EQ(supervisor.command({"restart", "echo"}).status, 0);
  EXPECT_TRUE(supervisor.status().at("vault").at("held").get<bool>());
}

// ---- what is configured -------------------------------------------------------------------------

TEST_F(VaultTest, TooManyDeathsEndInAStartFromNothing) {
  Supervisor supervisor(
      {.command = {echo(1)}, .config = "vault = true\nvault_max_recoveries = \"1/h\"\n"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  kill_service(supervisor);
  wait_for_recoveries(supervisor, 1);
  EXPECT_EQ(client.ask("b"), "2 1 b");
  kill_service(supervisor);
  (void)supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("restarts") == 1; });
  EXPECT_EQ(supervisor.history("crash").size(), 1U);
  LineClient next(supervisor.port());
  EXPECT_EQ(next.ask("c"), "1 1 c");
}

TEST_F(VaultTest, BothTheConfigurationAndTheProgramHaveToAsk) {
  Supervisor without({.command = {echo(1)}});
  EXPECT_FALSE(without.status().at("vault").at("held").get<bool>());
  EXPECT_EQ(without.status().at("vault").at("why"), nullptr);
  Supervisor refused(
      {.command = {program("handoff-chat-1")}, .name = "chat", .config = "vault = true\n"});
  EXPECT_FALSE(refused.status().at("vault").at("held").get<bool>());
  EXPECT_NE(refused.status().at("vault").at("why"), nullptr);
  const auto shown = refused.command({"status"});
  EXPECT_NE(shown.out.find("no vault"), std::string::npos) << shown.describe();
}

TEST_F(VaultTest, TheCommandLineAsksForOneToo) {
  Supervisor supervisor({.command = {echo(1)}, .run_flags = {"--vault"}});
  EXPECT_TRUE(supervisor.status().at("vault").at("held").get<bool>());
}

}  // namespace
}  // namespace handoff::test
