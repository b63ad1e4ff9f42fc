// The client of the chaos matrix against services that answer wrongly: it must not be content. And
// who counts as left behind.
#include "client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "expectation.h"
#include "matrix.h"
#include "supervision.h"

namespace chaos {
namespace {

// One connection's other end, which says what the test wants.
class FakeService {
 public:
  FakeService() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 1);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  int port() const { return port_; }
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
  handoff::UniqueFd listener_, peer_;
  int port_ = 0;
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
  // Two that hang and wake at once: one has the sessions, whichever it is.
  EXPECT_FALSE(of("kv/donor+supervisor/donor.claim.before/stop").loss);
  EXPECT_FALSE(of("kv/donor+supervisor/donor.claim.before/kill").loss);
  EXPECT_FALSE(of("kv/heir/donor.claim.after/kill").loss);
  EXPECT_TRUE(of("kv/donor/donor.claim.after/kill").loss);
  EXPECT_FALSE(of("kv/donor/donor.copy_end.sent/stop").loss);
  EXPECT_FALSE(of("kv/supervisor/donor.copy_end.sent/kill").loss);
  EXPECT_EQ(of("kv/supervisor/donor.copy_end.sent/kill").statuses, std::set<int>{3});
}

// ---- who has been left behind

pid_t start_child() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  return pid;
}

TEST(CanActTest, WhoRunsOrIsOnlyStoppedCan) {
  const pid_t pid = start_child();
  EXPECT_TRUE(can_act(::getpid()));
  EXPECT_TRUE(can_act(pid));
  ASSERT_EQ(0, ::kill(pid, SIGSTOP));
  ASSERT_EQ(pid, ::waitpid(pid, nullptr, WUNTRACED));
  EXPECT_TRUE(can_act(pid));
  ASSERT_EQ(0, ::kill(pid, SIGKILL));
  ASSERT_EQ(pid, ::waitpid(pid, nullptr, 0));
  EXPECT_FALSE(can_act(pid));
}

// From the moment on in which it is struck, whether the kernel has come to it or not.
TEST(CanActTest, WhoIsStruckByASigkillCanNot) {
  for (int i = 0; i < 200; ++i) {
    const pid_t pid = start_child();
    ASSERT_EQ(0, ::kill(pid, SIGKILL));
    EXPECT_FALSE(can_act(pid)) << i;
    ASSERT_EQ(pid, ::waitpid(pid, nullptr, 0));
  }
}

}  // namespace
}  // namespace chaos
