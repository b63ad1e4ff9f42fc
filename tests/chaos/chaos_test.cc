// Tests of the chaos harness: its client must notice every wrong answer, its rules every broken
// promise, and can_act() every process that is left behind.
#include "client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "expectation.h"
#include "judge.h"
#include "matrix.h"
#include "supervision.h"
#include "support/clients/sockets.h"

namespace chaos {
namespace {

// One connection's other end, which says what the test wants.
class FakeService {
 public:
  int port() const { return test::port_of(listener_.get()); }
  void accept() { peer_.reset(::accept(listener_.get(), nullptr, nullptr)); }
  // The next line without its '\n'.
  std::string line() {
    std::string out;
    for (char c = 0; ::recv(peer_.get(), &c, 1, 0) == 1 && c != '\n';) out += c;
    return out;
  }
  void say(const std::string& bytes) { ::send(peer_.get(), bytes.data(), bytes.size(), 0); }
  void close() { peer_.reset(); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(peer_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_.reset();
  }

 private:
  handoff::UniqueFd listener_ = test::listen_on_loopback();
  handoff::UniqueFd peer_;
};

class ClientTest : public testing::Test {
 protected:
  ClientTest() : client(service.port(), make_dialogue(Service::kEcho, 1), Manner::kBusy, 1) {
    service.accept();
    client.advance();
    for (std::string& text : texts) text = service.line();
  }
  void advance_to_the_end() {
    const auto until = Clock::now() + std::chrono::seconds(10);
    while (client.alive() && Clock::now() < until) client.advance();
  }
  std::string reply(int n) const {
    return std::to_string(n) + " 1 " + texts[static_cast<std::size_t>(n - 1)] + "\n";
  }

  FakeService service;
  Client client;
  std::array<std::string, 3> texts;  // its first lines
};

TEST_F(ClientTest, CountsWhatItHasChecked) {
  service.say(reply(1) + reply(2));
  const auto until = Clock::now() + std::chrono::seconds(10);
  while (client.answered() < 2 && Clock::now() < until) client.advance();
  EXPECT_EQ(client.answered(), 2U);
  EXPECT_EQ(client.bytes(), reply(1).size() + reply(2).size());
  EXPECT_TRUE(client.alive());
}

TEST_F(ClientTest, SeesAReplyThatIsMissing) {
  service.say(reply(1) + reply(3));
  advance_to_the_end();
  EXPECT_EQ(client.end(), Client::End::kFault);
  EXPECT_EQ(client.fault(), Fault::kLost);
}

TEST_F(ClientTest, SeesAReplyThatComesTwice) {
  service.say(reply(1) + reply(1));
  advance_to_the_end();
  EXPECT_EQ(client.end(), Client::End::kFault);
  EXPECT_EQ(client.fault(), Fault::kDuplicated);
}

TEST_F(ClientTest, SeesAWrongByte) {
  std::string wrong = reply(1);
  wrong[wrong.size() - 1] = '?';
  service.say(wrong);
  advance_to_the_end();
  EXPECT_EQ(client.end(), Client::End::kFault);
  EXPECT_EQ(client.fault(), Fault::kWrong);
}

TEST_F(ClientTest, TellsAResetFromAnEnd) {
  service.say(reply(1));
  service.close();
  advance_to_the_end();
  EXPECT_EQ(client.end(), Client::End::kEof);
  EXPECT_TRUE(client.cut());
}

TEST_F(ClientTest, IsCutOffByAReset) {
  service.say(reply(1));
  const auto until = Clock::now() + std::chrono::seconds(10);
  while (client.answered() < 1 && Clock::now() < until) client.advance();
  service.reset();
  advance_to_the_end();
  EXPECT_EQ(client.end(), Client::End::kReset);
}

TEST(KvDialogueTest, TellsACommandThatWasExecutedTwiceFromOneThatWasLost) {
  const auto dialogue = make_dialogue(Service::kKv, 1);
  Exchange incr = dialogue->next();
  EXPECT_EQ(incr.reply, ":1\r\n");
  EXPECT_EQ(dialogue->judge(incr, ":2\r\n"), Fault::kDuplicated);
  for (int i = 0; i < 3; ++i) incr = dialogue->next();
  EXPECT_EQ(incr.reply, ":2\r\n");
  EXPECT_EQ(dialogue->judge(incr, ":1\r\n"), Fault::kLost);
}

TEST(MatrixTest, KnowsEveryFailpointOfThisBuild) {
  EXPECT_GT(selected_points({}).size(), 90U);
  EXPECT_EQ(selected_points({.point = "donor.release.*"}),
            (std::vector<std::string>{"donor.release.sending", "donor.release.sent"}));
  EXPECT_EQ(selected_points({.point = "@(donor|heir).claim.after"}),
            (std::vector<std::string>{"donor.claim.after", "heir.claim.after"}));
}

TEST(MatrixTest, NamesOfCellsCanBeReadBack) {
  for (const Cell& cell : matrix({})) EXPECT_EQ(parse_cell(name(cell)), cell);
}

TEST(ExpectationTest, IsWhatTheFaultTableSays) {
  const auto of = [](const char* text) {
    const Cell cell = *parse_cell(text);
    return expect(cell, find_point(cell.point));
  };
  EXPECT_FALSE(of("echo/heir/heir.prepared.sending/kill").loss);
  EXPECT_FALSE(of("echo/donor/donor.prepare.sent/kill").loss);
  EXPECT_TRUE(of("echo/donor/donor.prepare.sending/kill").loss);
  EXPECT_FALSE(of("kv/heir/heir.claim.before/kill").loss);
  EXPECT_TRUE(of("kv/heir/heir.claim.after/kill").loss);
  EXPECT_TRUE(of("kv/heir/heir.resumed.sent/kill").loss);
  // Donor and supervisor hang and wake at once: either donor or heir has the sessions, so none is
  // lost.
  EXPECT_FALSE(of("kv/donor+supervisor/donor.claim.before/stop").loss);
  EXPECT_FALSE(of("kv/donor+supervisor/donor.claim.before/kill").loss);
  EXPECT_FALSE(of("kv/heir/donor.claim.after/kill").loss);
  EXPECT_TRUE(of("kv/donor/donor.claim.after/kill").loss);
  EXPECT_FALSE(of("kv/donor/donor.copy_end.sent/stop").loss);
  EXPECT_FALSE(of("kv/supervisor/donor.copy_end.sent/kill").loss);
  EXPECT_EQ(of("kv/supervisor/donor.copy_end.sent/kill").statuses, std::set<int>{3});
  EXPECT_TRUE(of("echo-tls/donor/donor.prepare.sent/kill").late_lost);
  EXPECT_TRUE(of("echo-tls/donor+supervisor/heir.resumed.sent/stop").late_lost);
  for (const char* cell :
       {"echo/donor/donor.prepare.sent/kill", "echo-tls/donor/donor.prepare.sent/slow",
        "echo-tls/heir/donor.prepare.sent/kill", "echo-tls/donor/donor.freeze.after/stop"}) {
    EXPECT_FALSE(of(cell).late_lost) << cell;
  }
}

// ---- the rules

class JudgeTest : public ::testing::Test {
 protected:
  // The findings for an heir that is killed while it prepares: the donor serves on, nobody is lost.
  JudgeTest() {
    found.struck.status = 1;
    found.struck.reported = 0;
    found.owner = Examination::Owner::kDonor;
  }
  std::vector<std::string> problems(const char* text) const {
    const Cell cell = *parse_cell(text);
    const Point* point = find_point(cell.point);
    return judge(cell, point, expect(cell, point), found);
  }
  using Problems = std::vector<std::string>;
  static constexpr const char* kHeirKilled = "echo/heir/heir.prepared.sending/kill";
  static constexpr const char* kOwnerKilled = "echo/heir/heir.claim.after/kill";
  static constexpr const char* kDonorKilledOverTls = "echo-tls/donor/donor.prepare.sent/kill";
  Findings found;
};

TEST_F(JudgeTest, IsContentIfTheTableIsKept) { EXPECT_EQ(problems(kHeirKilled), Problems{}); }

TEST_F(JudgeTest, SeesWhoWasLostAgainstTheTable) {
  found.tally.visitors_reset = 2;
  EXPECT_EQ(problems(kHeirKilled),
            Problems{"2 connections were lost, and the fault table says none"});
}

TEST_F(JudgeTest, SeesAnExitStatusThatIsNotTheTables) {
  found.struck.status = 0;
  EXPECT_EQ(problems(kHeirKilled), (Problems{"handoff upgrade ended with 0, expected 1",
                                             "exit status 0, and the old release serves"}));
}

TEST_F(JudgeTest, SeesThatNobodyServes) {
  found.owner = Examination::Owner::kNobody;
  EXPECT_EQ(problems(kHeirKilled),
            (Problems{"nobody serves", "exit status 1, and the old process does not serve"}));
}

TEST_F(JudgeTest, CountsWhatWasReportedAsLost) {
  found.struck.status = 5;
  found.struck.reported = 3;
  found.tally.reset = 3;
  found.owner = Examination::Owner::kStartedAnew;
  EXPECT_EQ(problems(kOwnerKilled), Problems{});
  found.tally.reset = 4;
  EXPECT_EQ(problems(kOwnerKilled), Problems{"3 sessions reported as lost, 4 were"});
}

// A visitor in the middle of its handshake is a session of the donor alone.
TEST_F(JudgeTest, KnowsWhoMayBeLostInAHandshake) {
  found.struck.status = 5;
  found.struck.reported = 2;
  found.owner = Examination::Owner::kHeir;
  found.tally.visitors_reset = 2;
  EXPECT_EQ(problems(kDonorKilledOverTls), Problems{});
  found.struck.reported = 3;
  EXPECT_EQ(problems(kDonorKilledOverTls), Problems{"3 sessions reported as lost, 2 were"});
  found.struck.reported = 1;
  EXPECT_EQ(problems(kDonorKilledOverTls), Problems{"1 sessions reported as lost, 2 were"});
  found.struck.reported = 3;
  found.tally.reset = 1;
  EXPECT_EQ(problems(kDonorKilledOverTls),
            Problems{"1 connections were lost, and the fault table says none"});
}

TEST_F(JudgeTest, SeesThatOneWhoWasLostInAHandshakeWasNotTold) {
  found.struck.status = 0;
  found.owner = Examination::Owner::kHeir;
  found.tally.visitors_reset = 1;
  EXPECT_EQ(problems(kDonorKilledOverTls),
            Problems{"exit status 0: 0 sessions reported as lost, 1 were"});
  found.struck.waiting = 1;  // the donor had come to say so
  EXPECT_EQ(problems(kDonorKilledOverTls), Problems{});
}

// The heir died a moment before the supervisor said that all was done, or a moment after that.
TEST_F(JudgeTest, KnowsADeathThatCouldBeToldFromOneThatCouldNot) {
  found.struck.status = 0;
  found.tally.reset = 24;
  found.owner = Examination::Owner::kStartedAnew;
  found.struck.at = Clock::time_point(std::chrono::seconds(9));
  const Problems misreported{"handoff upgrade ended with 0, expected 5",
                             "exit status 0: 0 sessions reported as lost, 24 were"};
  EXPECT_EQ(problems(kOwnerKilled), misreported) << "by a supervisor that says nothing of the time";
  found.struck.told_at = found.struck.at + std::chrono::microseconds(1);
  EXPECT_EQ(problems(kOwnerKilled), misreported);
  found.struck.told_at = found.struck.at;
  EXPECT_EQ(problems(kOwnerKilled), Problems{});
}

TEST_F(JudgeTest, SeesASanitizersWordAlsoWhereAllElseIsWell) {
  found.log = "==1==ERROR: LeakSanitizer: detected memory leaks";
  EXPECT_EQ(problems(kHeirKilled), Problems{"ERROR: LeakSanitizer"});
  EXPECT_EQ(problems("echo/heir/supervisor.stop.sent/kill").size(), 1U);
}

// ---- who has been left behind

TEST(CanActTest, WhoRunsOrIsOnlyStoppedCan) {
  test::Process process(test::wait_to_be_killed);
  EXPECT_TRUE(can_act(::getpid()));
  EXPECT_TRUE(can_act(process.pid()));
  process.stop();
  EXPECT_TRUE(can_act(process.pid()));
  process.kill();
  EXPECT_FALSE(can_act(process.pid()));
}

// A process can't act from its SIGKILL on, even before the kernel has carried the signal out.
TEST(CanActTest, WhoIsStruckByASigkillCanNot) {
  for (int i = 0; i < 200; ++i) {
    test::Process process(test::wait_to_be_killed);
    process.signal(SIGKILL);
    EXPECT_FALSE(can_act(process.pid())) << i;
    process.wait();
  }
}

}  // namespace
}  // namespace chaos
