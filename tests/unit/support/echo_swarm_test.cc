// The swarm finds each fault that it looks for.
#include "support/clients/echo_swarm.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

// Serves connections one after the other, with replies of the test's choice to each line; an empty
// one closes the connection.
class Liar {
 public:
  using Reply = std::function<std::string(int n, const std::string& text)>;

  explicit Liar(Reply reply) : reply_(std::move(reply)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Liar() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  int port() const { return port_of(listener_.get()); }

 private:
  void serve() {
    for (;;) {
      const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      if (!client.valid()) return;
      answer(client.get());
    }
  }
  void answer(int fd) {
    std::string input;
    int n = 0;
    char byte = 0;
    while (::read(fd, &byte, 1) == 1) {
      if (byte != '\n') {
        input += byte;
        continue;
      }
      const std::string reply = reply_(++n, input);
      input.clear();
      if (reply.empty()) return;
      if (::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return;
    }
  }

  Reply reply_;
  UniqueFd listener_ = listen_on_loopback();
  std::thread thread_;
};

std::string honest(int n, const std::string& text, const std::string& version = "1") {
  return std::to_string(n) + " " + version + " " + text + "\n";
}

EchoSwarm::Report report_of(const Liar::Reply& reply) {
  const Liar liar(reply);
  EchoSwarm swarm({.port = liar.port(), .residents = 1});
  swarm.wait_until_each_answered_by("9", Deadline::in(5s));
  return swarm.stop(Deadline::in(5s));
}

TEST(EchoSwarmTest, IsContentWithAnHonestService) {
  const EchoSwarm::Report report = report_of(
      [](int n, const std::string& text) { return honest(n, text, n < 100 ? "1" : "9"); });
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_GE(report.lines, 100u);
  EXPECT_EQ(report.versions.at(0), (std::vector<std::string>{"1", "9"}));
}

TEST(EchoSwarmTest, FindsAGap) {
  const auto report =
      report_of([](int n, const std::string& text) { return honest(n < 50 ? n : n + 1, text); });
  EXPECT_EQ(report.wrong, 1u) << report.describe();
}

TEST(EchoSwarmTest, FindsARepeat) {
  const auto report = report_of([](int n, const std::string& text) {
    return n == 50 ? honest(n, text) + honest(n, text) : honest(n, text);
  });
  EXPECT_EQ(report.wrong, 1u) << report.describe();
}

TEST(EchoSwarmTest, FindsAWrongText) {
  const auto report = report_of(
      [](int n, const std::string& text) { return honest(n, n == 50 ? text + "!" : text); });
  EXPECT_EQ(report.wrong, 1u) << report.describe();
}

TEST(EchoSwarmTest, FindsAConnectionThatWasClosed) {
  const auto report =
      report_of([](int n, const std::string& text) { return n == 50 ? "" : honest(n, text); });
  // If lines of the client are unread, the kernel closes by a reset.
  EXPECT_EQ(report.eofs + report.resets, 1u) << report.describe();
}

TEST(EchoSwarmTest, FindsAnAnswerThatDoesNotCome) {
  Liar liar([](int n, const std::string& text) { return n >= 50 ? " " : honest(n, text); });
  EchoSwarm swarm({.port = liar.port(), .residents = 1});
  EXPECT_FALSE(swarm.wait_until_each_answered_by("9", Deadline::in(200ms)));
  EXPECT_EQ(swarm.stop(Deadline::in(200ms)).unfinished, 1u);
}

TEST(EchoSwarmTest, CountsARefusedConnection) {
  int port = 0;
  { port = Liar(Liar::Reply()).port(); }
  EchoSwarm swarm({.port = port, .residents = 3});
  EXPECT_FALSE(swarm.wait_until_each_answered_again(Deadline::in(5s)));
  EXPECT_EQ(swarm.stop(Deadline::in(5s)).refused, 3u);
}

TEST(EchoSwarmTest, VisitorsComeAndGo) {
  std::atomic<int> served = 0;
  Liar liar([&](int n, const std::string& text) {
    served += n == 3 ? 1 : 0;
    served.notify_one();
    return honest(n, text);
  });
  EchoSwarm swarm({.port = liar.port(), .residents = 0, .visitors_per_second = 200});
  for (int n = served; n < 5; n = served) served.wait(n);
  const EchoSwarm::Report report = swarm.stop(Deadline::in(5s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_GE(report.visitors, 5u);
}

}  // namespace
}  // namespace handoff::test
