// irc, which is plain C, over TLS: OpenSSL's own clients talk through upgrades, and notice nothing.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"
#include "tls_fixture.h"

namespace handoff::test {
namespace {

std::string irc(int version) { return program("handoff-irc-" + std::to_string(version)); }

class TlsIrcUpgradeTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::vector<std::string> client() const {
    return s_client(supervisor_.port(), certificate_, {"-quiet", GetParam()});
  }
  static void sit_down(Typed& person, const std::string& nick) {
    person.type("NICK " + nick + "\nUSER " + nick + " 0 * :Real " + nick + "\n");
    person.wait_for(" 422 " + nick + " ");
    person.type("JOIN #tls\n");
    person.wait_for(" 366 " + nick + " #tls ");
  }
  const Certificate certificate_;
  Supervisor supervisor_{{.command = command(certificate_)}};

 private:
  static std::vector<std::string> command(const Certificate& certificate) {
    std::vector<std::string> out = certificate.options();
    out.insert(out.begin(), irc(1));
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TlsIrcUpgradeTest, ::testing::Values("-tls1_3", "-tls1_2"),
                         [](const auto& row) { return row.index == 0 ? "Tls13" : "Tls12"; });

TEST_P(TlsIrcUpgradeTest, ARoomTalksOn) {
  Typed ann(client()), bob(client());
  sit_down(ann, "ann");
  sit_down(bob, "bob");
  for (int i = 1; i <= 6; ++i) {
    const std::string number = std::to_string(i);
    ann.type("PRIVMSG #tls :half ");  // of a line
    supervisor_.settle();
    const auto upgrade = supervisor_.upgrade(irc(i % 2 == 0 ? 1 : 2));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(upgrade.done().at("sessions").at("lost"), 0) << upgrade.describe();
    ann.type("and whole " + number + "\n");
    bob.wait_for(" PRIVMSG #tls :half and whole " + number);
    bob.type("PRIVMSG #tls :answer " + number + "\n");
    ann.wait_for(" PRIVMSG #tls :answer " + number);
  }
}

// The record is longer than a line may be, and has many short ones.
TEST_P(TlsIrcUpgradeTest, ALongRecordMayComeInParts) {
  SlowClient slow(supervisor_.port());
  slow.ask("", 0);  // the handshake
  std::string lines;
  for (int i = 0; i < 2042; ++i) lines += "PONG x\r\n";
  lines += "NICK slow\r\nUSER slow 0 * :slow\r\nJOIN #tls\r\n";
  Typed ann(client());
  slow.send_in_parts(lines, [&] { sit_down(ann, "ann"); });
  ann.wait_for(":slow!");
}

}  // namespace
}  // namespace handoff::test
