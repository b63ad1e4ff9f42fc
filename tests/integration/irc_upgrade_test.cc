// IRC clients see nothing of an upgrade, byte by byte, and neither does ii, a real client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using Lines = std::vector<std::string>;

std::string irc(int version) { return program("handoff-irc-" + std::to_string(version)); }

// A client that says lines and compares what comes, without the "\r\n".
class Person {
 public:
  Person(const Supervisor& supervisor, std::string nick)
      : client_(supervisor.port()), nick_(std::move(nick)) {}
  Person(const Supervisor& supervisor, const std::string& nick, int release)
      : Person(supervisor, nick) {
    say("NICK " + nick);
    say("USER " + nick + " 0 * :Real " + nick);
    welcomed(release);
  }
  void welcomed(int release) {
    const std::string is = std::to_string(release);
    const Lines expected = {
        numeric("001", ":Welcome, " + mask()),
        numeric("002", ":Your host is irc.example, running irc " + is + ".0"),
        numeric("003", ":Upgrades happen while you talk"),
        numeric("004", "irc.example irc-" + is + ".0 i klntiov"),
        numeric("005",
                "CASEMAPPING=ascii CHANTYPES=# CHANMODES=,k,l,int PREFIX=(ov)@+ NICKLEN=30 :are "
                "supported"),
        numeric("422", ":There is no message of the day")};
    for (const auto& line : expected) EXPECT_EQ(line, next());
  }

  std::string mask() const { return nick_ + "!" + nick_ + "@127.0.0.1"; }
  std::string numeric(const std::string& number, const std::string& text) const {
    return ":irc.example " + number + " " + nick_ + " " + text;
  }
  std::string from(const Person& other, const std::string& text) const {
    return ":" + other.mask() + " " + text;
  }
  void say(const std::string& line) { client_.send(line + "\r\n"); }
  void send(const std::string& bytes) { client_.send(bytes); }
  std::string next() {
    std::string line = client_.line();
    EXPECT_THAT(line, ::testing::EndsWith("\r\n"));
    return line.substr(0, line.size() - std::min<std::size_t>(line.size(), 2));
  }
  Lines next(std::size_t count) {
    Lines lines;
    while (lines.size() < count) lines.push_back(next());
    return lines;
  }
  std::string ask(const std::string& line) {
    say(line);
    return next();
  }
  // All that was said to this person before has come by then.
  void hears_nothing() { EXPECT_EQ(":irc.example PONG irc.example :sync", ask("PING sync")); }
  LineClient& client() { return client_; }

 private:
  LineClient client_;
  std::string nick_;
};

class IrcUpgradeTest : public ::testing::Test {
 protected:
  void upgrade_to(int version) {
    const auto upgrade = supervisor_.upgrade(irc(version));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  }
  // Both in a room, of which ann is the operator.
  void meet(Person& ann, Person& bob, const std::string& room) {
    ann.say("JOIN " + room);
    EXPECT_THAT(ann.next(3), ElementsAre(ann.from(ann, "JOIN " + room),
                                         ann.numeric("353", "= " + room + " :@ann"),
                                         ann.numeric("366", room + " :End of NAMES list")));
    bob.say("JOIN " + room);
    EXPECT_THAT(bob.next(3), ElementsAre(bob.from(bob, "JOIN " + room),
                                         bob.numeric("353", "= " + room + " :bob @ann"),
                                         bob.numeric("366", room + " :End of NAMES list")));
    EXPECT_EQ(ann.from(bob, "JOIN " + room), ann.next());
  }

  Supervisor supervisor_{{.command = {irc(1)}, .name = "irc"}};
};

TEST_F(IrcUpgradeTest, ARegistrationHalfDoneAndHalfALineMove) {
  Person ann(supervisor_, "ann", 1), bob(supervisor_, "bob", 1), cid(supervisor_, "cid");
  meet(ann, bob, "#tea");
  cid.send("NICK cid\r\nUSER ci");
  EXPECT_EQ(":irc.example PONG irc.example :x", ann.ask("PING x"));
  ann.send("PRIVMSG #tea :half a li");
  upgrade_to(2);
  ann.send("ne\r\n");
  EXPECT_EQ(bob.from(ann, "PRIVMSG #tea :half a line"), bob.next());
  cid.send("d 0 * :Real cid\r\n");
  cid.welcomed(2);
  ann.hears_nothing();
  bob.hears_nothing();
}

TEST_F(IrcUpgradeTest, RoomsKeepTheirTopicsModesAndInvitations) {
  Person ann(supervisor_, "ann", 1), bob(supervisor_, "bob", 1), cid(supervisor_, "cid", 1);
  meet(ann, bob, "#tea");
  EXPECT_EQ(ann.from(ann, "TOPIC #tea :milk first"), ann.ask("TOPIC #tea :milk first"));
  EXPECT_EQ(bob.from(ann, "TOPIC #tea :milk first"), bob.next());
  ann.say("MODE #tea +ikl-n+v key 5 bob");
  for (const std::string mode : {"+i", "+k key", "+l 5", "-n", "+v bob"}) {
    EXPECT_EQ(ann.from(ann, "MODE #tea " + mode), ann.next());
    EXPECT_EQ(bob.from(ann, "MODE #tea " + mode), bob.next());
  }
  EXPECT_EQ(ann.numeric("341", "cid #tea"), ann.ask("INVITE cid #tea"));
  EXPECT_EQ(cid.from(ann, "INVITE cid :#tea"), cid.next());
  for (const int release : {2, 1}) {
    upgrade_to(release);
    EXPECT_EQ(ann.numeric("324", "#tea +iklt key 5"), ann.ask("MODE #tea"));
    EXPECT_EQ(cid.numeric("324", "#tea +iklt 5"), cid.ask("MODE #tea"));
    EXPECT_EQ(bob.numeric("332", "#tea :milk first"), bob.ask("TOPIC #tea"));
    EXPECT_THAT(bob.next(), MatchesRegex(bob.numeric("333", "#tea ann [0-9]+")));
    EXPECT_EQ(bob.numeric("482", "#tea :You're not channel operator"), bob.ask("TOPIC #tea :x"));
  }
  EXPECT_EQ(cid.numeric("475", "#tea :Cannot join channel (+k)"), cid.ask("JOIN #tea lock"));
  cid.say("JOIN #tea key");
  EXPECT_EQ(cid.from(cid, "JOIN #tea"), cid.next());
  cid.next(4);
  EXPECT_EQ(ann.from(cid, "JOIN #tea"), ann.next());
  EXPECT_EQ(bob.from(cid, "JOIN #tea"), bob.next());
  EXPECT_EQ(ann.from(ann, "KICK #tea cid :out"), ann.ask("KICK #tea cid :out"));
  EXPECT_EQ(cid.from(ann, "KICK #tea cid :out"), cid.next());
  EXPECT_EQ(bob.from(ann, "KICK #tea cid :out"), bob.next());
  EXPECT_EQ(cid.numeric("473", "#tea :Cannot join channel (+i)"), cid.ask("JOIN #tea key"))
      << "an invitation is used once";
}

TEST_F(IrcUpgradeTest, AsManyRoomsAsThereCanBeMove) {
  Person ann(supervisor_, "ann", 1);
  const auto room = [](int number) { return "#" + std::to_string(number); };
  for (int i = 0; i < 3000; ++i) {
    ann.say("JOIN " + room(i));
    ASSERT_EQ(ann.from(ann, "JOIN " + room(i)), ann.next(3).front());
  }
  const std::string full = ann.numeric("437", "#3000 :There are as many channels as can be");
  EXPECT_EQ(full, ann.ask("JOIN #3000"));
  upgrade_to(2);
  EXPECT_EQ(full, ann.ask("JOIN #3000"));
  EXPECT_EQ(ann.from(ann, "PART #7 :ann"), ann.ask("PART #7"));
  EXPECT_EQ(ann.from(ann, "JOIN #3000"), ann.ask("JOIN #3000"));
}

TEST_F(IrcUpgradeTest, WhatOnlyTheNewReleaseKnowsComesAndGoesWithIt) {
  Person ann(supervisor_, "ann", 1), bob(supervisor_, "bob", 1);
  EXPECT_EQ(ann.numeric("421", "AWAY :Unknown command"), ann.ask("AWAY :tea"));
  EXPECT_EQ(ann.numeric("421", "CAP :Unknown command"), ann.ask("CAP LS 302"));
  upgrade_to(2);
  EXPECT_EQ(":irc.example CAP ann LS :server-time", ann.ask("CAP LS 302"));
  EXPECT_THAT(ann.ask("CAP REQ :server-time"),
              ::testing::EndsWith(":irc.example CAP ann ACK :server-time"));
  EXPECT_EQ(bob.numeric("306", ":You have been marked as being away"), bob.ask("AWAY :at tea"));
  constexpr const char* kTime =
      "@time=20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9][.][0-9]+Z ";
  upgrade_to(2);  // to itself: both are kept
  EXPECT_THAT(ann.ask("PRIVMSG bob :hello"),
              MatchesRegex(kTime + ann.numeric("301", "bob :at tea")));
  EXPECT_EQ(bob.from(ann, "PRIVMSG bob :hello"), bob.next());
  upgrade_to(1);
  ann.say("PRIVMSG bob :still there?");
  EXPECT_EQ(bob.from(ann, "PRIVMSG bob :still there?"), bob.next());
  ann.hears_nothing();
  upgrade_to(2);
  ann.say("PRIVMSG bob :and now?");
  EXPECT_EQ(bob.from(ann, "PRIVMSG bob :and now?"), bob.next());
  ann.hears_nothing();
}

TEST_F(IrcUpgradeTest, ASignOnKeepsItsTimeInBothUnits) {
  Person ann(supervisor_, "ann", 1);
  const auto whois = [&](int release) {
    ann.say("WHOIS ann");
    const Lines lines = ann.next(4);
    EXPECT_EQ(ann.numeric("311", "ann ann 127.0.0.1 * :Real ann"), lines[0]);
    EXPECT_EQ(ann.numeric("312", "ann irc.example :irc " + std::to_string(release) + ".0"),
              lines[1]);
    EXPECT_THAT(lines[2],
                MatchesRegex(ann.numeric("317", "ann [0-9]+ [0-9]+ :seconds idle, signon time")));
    EXPECT_EQ(ann.numeric("318", "ann :End of WHOIS list"), lines[3]);
    const std::size_t end = lines[2].find(" :seconds");
    return lines[2].substr(lines[2].rfind(' ', end - 1), end);
  };
  const std::string signon = whois(1).substr(0, 11);
  for (const int release : {2, 1, 2}) {
    upgrade_to(release);
    EXPECT_EQ(signon, whois(release).substr(0, 11));
  }
}

TEST_F(IrcUpgradeTest, ANickThatIsTakenStaysTakenAndEndsWithItsClient) {
  Person ann(supervisor_, "ann", 1), bob(supervisor_, "bob", 1);
  meet(ann, bob, "#tea");
  upgrade_to(2);
  Person other(supervisor_, "*");
  EXPECT_EQ(other.numeric("433", "ANN :Nickname is already in use"), other.ask("NICK ANN"));
  EXPECT_EQ(bob.from(bob, "NICK :rob"), bob.ask("NICK rob"));
  EXPECT_EQ(ann.from(bob, "NICK :rob"), ann.next());
  EXPECT_EQ("ERROR :Closing Link: 127.0.0.1 (bye)", ann.ask("QUIT :bye"));
  EXPECT_TRUE(ann.client().at_end());
  EXPECT_EQ(bob.from(ann, "QUIT :bye"), bob.next());
  other.say("NICK ann");
  other.say("USER x 0 * :x");
  EXPECT_THAT(other.next(), HasSubstr(" 001 ann "));
}

TEST_F(IrcUpgradeTest, ALineWithoutAnEndIsRefusedAndTheOthersTalkOn) {
  Person ann(supervisor_, "ann", 1), bob(supervisor_, "bob", 1);
  meet(ann, bob, "#tea");
  bob.send(std::string(20'000, 'x'));
  EXPECT_EQ("ERROR :Closing Link: 127.0.0.1 (Input line too long)", bob.next());
  EXPECT_EQ(ann.from(bob, "QUIT :Input line too long"), ann.next());
}

// ---- ii, a real client: what comes is in files, what goes is written to a pipe

class Ii {
 public:
  Ii(const Supervisor& supervisor, const std::string& nick)
      : process_({"/usr/bin/ii", "-i", dir_.path(), "-s", "127.0.0.1", "-p",
                  std::to_string(supervisor.port()), "-n", nick, "-f", nick}),
        folder_(dir_.path() + "/127.0.0.1") {}
  void say(const std::string& to, const std::string& line) const {
    std::ofstream(folder_ + "/" + to + "in") << line << "\n";
  }
  bool hears(const Supervisor& supervisor, const std::string& where,
             const std::string& text) const {
    return supervisor.eventually([&] {
      std::ifstream file(folder_ + "/" + where + "out");
      const std::string all((std::istreambuf_iterator<char>(file)), {});
      return all.find(text) != std::string::npos;
    });
  }

 private:
  TempDir dir_;
  Process process_;
  std::string folder_;
};

TEST_F(IrcUpgradeTest, IiTalksOnThroughUpgradesAndBack) {
  ASSERT_TRUE(std::filesystem::exists("/usr/bin/ii")) << "ii is not installed (scripts/deps)";
  Person ann(supervisor_, "ann", 1);
  ann.say("JOIN #tea");
  ann.next(3);
  const Ii ii(supervisor_, "ian");
  ASSERT_TRUE(ii.hears(supervisor_, "", "There is no message of the day"));
  ii.say("", "/j #tea");
  EXPECT_THAT(ann.next(), HasSubstr(" JOIN #tea"));
  for (const int release : {2, 1}) {
    const std::string text = "under release " + std::to_string(release);
    upgrade_to(release);
    ii.say("#tea/", text);
    EXPECT_THAT(ann.next(), HasSubstr(" PRIVMSG #tea :" + text));
    ann.say("PRIVMSG #tea :answer " + text);
    EXPECT_TRUE(ii.hears(supervisor_, "#tea/", "<ann> answer " + text));
  }
  ann.hears_nothing();
}

}  // namespace
}  // namespace handoff::test
