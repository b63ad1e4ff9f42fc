// OpenSSL's own client talks to echo over TLS while releases come and go, and notices nothing.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"
#include "tls_fixture.h"

namespace handoff::test {
namespace {

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

struct Row {
  std::string name;
  std::vector<std::string> flags;
};

class TlsEchoUpgradeTest : public ::testing::TestWithParam<Row> {
 protected:
  std::vector<std::string> client(std::vector<std::string> more = {}) const {
    const auto& flags = GetParam().flags;
    more.insert(more.begin(), flags.begin(), flags.end());
    return s_client(supervisor_.port(), certificate_, more);
  }
  void upgrade_to(int version) {
    supervisor_.settle();
    const auto upgrade = supervisor_.upgrade(echo(version));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(upgrade.done().at("sessions").at("lost"), 0) << upgrade.describe();
  }
  bool tls_1_3() const { return GetParam().flags.front() == "-tls1_3"; }

  const Certificate certificate_;
  Supervisor supervisor_{{.command = command(certificate_)}};

 private:
  static std::vector<std::string> command(const Certificate& certificate) {
    std::vector<std::string> out = certificate.options();
    out.insert(out.begin(), echo(1));
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(
    Suites, TlsEchoUpgradeTest,
    ::testing::Values(
        Row{"Tls13Aes256", {"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}},
        Row{"Tls13ChaCha20", {"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}},
        Row{"Tls12Aes128", {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}},
        Row{"Tls12ChaCha20", {"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}}),
    [](const auto& row) { return row.param.name; });

TEST_P(TlsEchoUpgradeTest, HalfALineGoesOnThroughTwentyUpgrades) {
  Typed client(this->client());
  client.type("first\n");
  client.wait_for("1 1 first\n");
  for (int i = 2; i <= 21; ++i) {
    const int version = i % 2 == 0 ? 2 : 1;
    client.type("half ");
    upgrade_to(version);
    client.type("of line " + std::to_string(i) + "\n");
    const std::string number = std::to_string(i);
    client.wait_for("\n" + number + " " + std::to_string(version) + " half of line " + number +
                    "\n");
  }
}

// A lower-case k is a new key for what the client sends; K asks echo for one, too.
TEST_P(TlsEchoUpgradeTest, KeysChangeBeforeBetweenAndAfterUpgrades) {
  if (!tls_1_3()) return;  // there is no KeyUpdate
  Typed client(this->client());
  client.type("hello\n");
  client.wait_for("1 1 hello\n");
  int lines = 1, updates = 0;
  for (const int version : {2, 1, 2, 1}) {
    for (const std::string letter : {"K", "k", "K"}) {
      client.type(letter + "\n");
      client.wait_for("KEYUPDATE", ++updates);
    }
    upgrade_to(version);  // the answers to them may be on their way
    client.type("on\n");
    client.wait_for("\n" + std::to_string(++lines) + " " + std::to_string(version) + " on\n");
  }
}

TEST_P(TlsEchoUpgradeTest, ASessionIsResumedAndItsConnectionMoves) {
  TempDir folder;
  const std::string session = folder / "session.pem";
  {
    Typed client(this->client({"-sess_out", session}));
    client.type("hello\n");
    client.wait_for("1 1 hello\n");
    ASSERT_TRUE(wait_for_file(session));
  }
  Typed client(this->client({"-sess_in", session}));
  client.type("again\n");
  client.wait_for("1 1 again\n");
  EXPECT_NE(client.printed().find("\nReused, TLSv1."), std::string::npos) << client.printed();
  upgrade_to(2);
  client.type("moved\n");
  client.wait_for("\n2 2 moved\n");
  Typed later(this->client({"-sess_in", session}));  // the keys of tickets have moved, too
  later.type("later\n");
  later.wait_for("1 2 later\n");
  EXPECT_NE(later.printed().find("\nReused, TLSv1."), std::string::npos) << later.printed();
}

// A rehearsal's process has the sessions' keys, and uses none of them.
TEST_P(TlsEchoUpgradeTest, APlanChangesNothing) {
  Typed client(this->client());
  client.type("hello\n");
  client.wait_for("1 1 hello\n");
  for (int i = 2; i <= 4; ++i) {
    const auto plan = supervisor_.plan(echo(2));
    ASSERT_EQ(plan.status, 0) << plan.describe();
    client.type("on\n");
    client.wait_for("\n" + std::to_string(i) + " 1 on\n");
  }
  upgrade_to(2);
  client.type("moved\n");
  client.wait_for("\n5 2 moved\n");
}

TEST(TlsProgramTest, AClientWithACertificateMoves) {
  const Certificate certificate, other;
  std::vector<std::string> command = certificate.options();
  command.insert(command.begin(), echo(1));
  command.insert(command.end(), {"--tls-client-ca", other.path()});
  Supervisor supervisor({.command = command});
  for (const std::string version : {"-tls1_3", "-tls1_2"}) {
    Typed client(s_client(supervisor.port(), certificate,
                          {version, "-cert", other.path(), "-key", other.key()}));
    client.type("hello\n");
    client.wait_for(" hello\n");
    supervisor.settle();
    ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
    client.type("moved\n");
    client.wait_for("\n2 2 moved\n");
    Typed without(s_client(supervisor.port(), certificate, {version}));
    without.wait_for(version == "-tls1_3" ? "certificate required" : "handshake failure");
  }
}

// Keys of tickets move, and what a ticket is worth does not outlive the CA of its client.
TEST(TlsProgramTest, ATicketLetsNobodyInWhomTheReleaseWouldNotLetIn) {
  const Certificate certificate, before, now;
  TempDir folder;
  const std::string session = folder / "session.pem";
  const auto options = [&](const Certificate& clients) {
    std::vector<std::string> out = certificate.options();
    out.insert(out.end(), {"--tls-client-ca", clients.path()});
    return out;
  };
  std::vector<std::string> command = options(before);
  command.insert(command.begin(), echo(1));
  Supervisor supervisor({.command = command});
  const std::vector<std::string> of_before = {"-tls1_3", "-cert", before.path(), "-key",
                                              before.key()};
  const auto client = [&](const std::string& flag) {
    std::vector<std::string> flags = of_before;
    flags.insert(flags.end(), {flag, session});
    return s_client(supervisor.port(), certificate, flags);
  };
  {
    Typed first(client("-sess_out"));
    ASSERT_TRUE(wait_for_file(session));
    first.type("hello\n");
    first.wait_for("1 1 hello\n");  // s_client prints a ticket meanwhile
  }
  {
    Typed again(client("-sess_in"));
    again.type("hello\n");
    again.wait_for("1 1 hello\n");
    EXPECT_NE(again.printed().find("\nReused, TLSv1.3"), std::string::npos) << again.printed();
  }
  supervisor.settle();
  ASSERT_EQ(supervisor.upgrade(echo(2), options(now)).status, 0);
  Typed late(client("-sess_in"));
  late.wait_for("unknown ca");
}

// Whichever loop a client comes to: all have the keys of tickets that the release before had.
TEST(TlsProgramTest, WithSeveralThreadsSessionsMoveAndAreResumed) {
  const Certificate certificate;
  TempDir folder;
  const std::string session = folder / "session.pem";
  const auto options = [&](const std::string& threads) {
    std::vector<std::string> out = certificate.options();
    out.insert(out.end(), {"--threads", threads});
    return out;
  };
  std::vector<std::string> command = options("2");
  command.insert(command.begin(), echo(1));
  Supervisor supervisor({.command = command});
  const auto client = [&](const std::string& flag) {
    return std::make_unique<Typed>(
        s_client(supervisor.port(), certificate, {"-tls1_3", flag, session}));
  };
  const auto first = client("-sess_out");
  first->type("hello\n");
  first->wait_for("1 1 hello\n");
  ASSERT_TRUE(wait_for_file(session));
  std::vector<std::unique_ptr<Typed>> clients;
  const auto come = [&](int version) {
    clients.push_back(client("-sess_in"));
    clients.back()->type("hello\n");
    clients.back()->wait_for("1 " + std::to_string(version) + " hello\n");
    const std::string printed = clients.back()->printed();
    EXPECT_NE(printed.find("\nReused, TLSv1.3"), std::string::npos) << printed;
  };
  for (int i = 0; i < 6; ++i) come(1);
  for (const int version : {2, 1}) {
    supervisor.settle();
    const auto upgrade = supervisor.upgrade(echo(version), options(version == 2 ? "3" : "1"));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    for (const auto& one : clients) {
      one->type("moved\n");
      one->wait_for(" " + std::to_string(version) + " moved\n");
    }
    for (int i = 0; i < 3; ++i) come(version);
  }
}

// The first request, which comes with the last message of the handshake, makes the connection busy.
TEST(TlsProgramTest, AHoldBehindTheHandshakeIsOne) {
  const Certificate certificate;
  std::vector<std::string> command = certificate.options();
  command.insert(command.begin(), echo(1));
  Supervisor supervisor({.command = command});
  SlowClient busy(supervisor.port());
  EXPECT_EQ(busy.ask("hold\n", 9), "1 1 hold\n");
  supervisor.settle();
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  EXPECT_EQ(busy.ask("held\n", 9), "2 1 held\n");
  EXPECT_EQ(busy.ask("release\n", 12), "3 1 release\n");
  supervisor.wait_for_status([](const auto& status) { return status.at("late").empty(); });
  EXPECT_EQ(busy.ask("moved\n", 10), "4 2 moved\n");
}

TEST(TlsProgramTest, SaysWhatIsWrong) {
  const Certificate certificate;
  const auto refused = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {echo(1), "--listen", "tcp:127.0.0.1:0"});
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome.status, 1) << outcome.describe();
    return outcome.err;
  };
  EXPECT_NE(refused({"--tls-cert", "/nowhere", "--tls-key", certificate.key()})
                .find("--tls-cert /nowhere: No such file"),
            std::string::npos);
  EXPECT_NE(refused({"--tls-cert", certificate.path(), "--tls-key", certificate.path()})
                .find("--tls-key " + certificate.path() + ": "),
            std::string::npos);
  EXPECT_NE(refused({"--tls-cert", certificate.path()}).find("belong together"), std::string::npos);
}

// A session is plain or TLS, and a release that does not serve its kind does not take it.
TEST(TlsProgramTest, PlainAndTlsRefuseEachOther) {
  const Certificate certificate;
  const std::vector<std::string> plain = {"--name", "echo"};
  Supervisor supervisor({.command = {echo(1)}});
  {
    LineClient client(supervisor.port());
    EXPECT_EQ(client.ask("hello"), "1 1 hello");
    EXPECT_EQ(supervisor.upgrade(echo(2), certificate.options()).status, 1);
    EXPECT_EQ(client.ask("still plain"), "2 1 still plain");
  }
  supervisor.wait_for_status([](const auto& status) { return status.at("sessions") == 0; });
  const auto upgrade = supervisor.upgrade(echo(2), certificate.options());
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  Typed client(s_client(supervisor.port(), certificate, {}));
  client.type("hello\n");
  client.wait_for("1 2 hello\n");
  supervisor.settle();
  EXPECT_EQ(supervisor.upgrade(echo(1), plain).status, 1);
  client.type("still TLS\n");
  client.wait_for("\n2 2 still TLS\n");
}

}  // namespace
}  // namespace handoff::test
