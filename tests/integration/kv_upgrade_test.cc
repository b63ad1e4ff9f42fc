// Clients of kv notice nothing while releases 1 and 2 take turns.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "kv_fixture.h"
#include "support/clients/resp_client.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Upgrades from each release to the other.
class EitherWayTest : public KvUpgradeTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override { start(GetParam()); }
  void upgrade() { KvUpgradeTest::upgrade(3 - GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(From, EitherWayTest, ::testing::Values(1, 2));

TEST_P(EitherWayTest, TheOtherReleaseAnswers) {
  RespClient client(port_);
  EXPECT_EQ(info(client, "handoff_release"), GetParam());
  EXPECT_EQ(info(client, "handoff_generation"), 1);
  upgrade();
  EXPECT_EQ(info(client, "handoff_release"), 3 - GetParam());
  EXPECT_EQ(info(client, "handoff_generation"), 2);
  EXPECT_EQ(info(client, "connected_clients"), 1);
}

TEST_P(EitherWayTest, HalfARequestMeetsItsOtherHalf) {
  RespClient client(port_), large(port_);
  const std::string whole = request({"ECHO", "a value\r\nin two"});
  const std::string value(8u << 20, 'v');
  const std::string set = request({"SET", "large", value});
  client.send("PING\r\n" + whole.substr(0, 21));
  large.send("PING\r\n" + set.substr(0, set.size() / 2));
  EXPECT_EQ(client.reply(), "PONG");
  EXPECT_EQ(large.reply(), "PONG");
  upgrade();
  client.send(whole.substr(21));
  large.send(set.substr(set.size() / 2));
  EXPECT_EQ(client.reply(), "a value\r\nin two");
  EXPECT_EQ(large.reply(), "OK");
  EXPECT_EQ(client.ask("GET large"), value);
}

TEST_P(EitherWayTest, ATransactionGoesOnWhereItWas) {
  RespClient good(port_), bad(port_);
  EXPECT_EQ(good.ask("MULTI"), "OK");
  EXPECT_EQ(good.ask("SET a 1"), "QUEUED");
  EXPECT_EQ(good.ask("INCR a"), "QUEUED");
  bad.ask("MULTI");
  EXPECT_EQ(bad.ask("NONSENSE").substr(0, 4), "-ERR");
  upgrade();
  EXPECT_EQ(good.ask("GET a"), "QUEUED");
  EXPECT_EQ(good.ask("EXEC"), "[OK, :2, 2]");
  EXPECT_EQ(bad.ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
}

TEST_P(EitherWayTest, AWatchSeesChangesOfBothGenerations) {
  RespClient none(port_), before(port_), after(port_), other(port_);
  for (RespClient* client : {&none, &before, &after}) {
    client->ask(client == &before  ? "WATCH early"
                : client == &after ? "WATCH late"
                                   : "WATCH never");
    client->ask("MULTI");
    client->ask("PING");
  }
  other.ask("SET early 1");
  upgrade();
  other.ask("SET late 1");
  EXPECT_EQ(none.ask("EXEC"), "[PONG]");
  EXPECT_EQ(before.ask("EXEC"), "(nil)");
  EXPECT_EQ(after.ask("EXEC"), "(nil)");
}

TEST_P(EitherWayTest, WaitersAreServedInTheirOrderAndGoOnWithWhatTheyAskedBehind) {
  RespClient first(port_), second(port_), other(port_);
  first.send(request({"BLPOP", "x", "l", "0"}) + request({"INCR", "served"}));
  eventually([&] { return info(other, "blocked_clients") == 1; });
  second.send(request({"BLPOP", "l", "0"}));
  eventually([&] { return info(other, "blocked_clients") == 2; });
  upgrade();
  EXPECT_EQ(info(other, "blocked_clients"), 2);
  EXPECT_EQ(other.ask("EXISTS served"), ":0");
  EXPECT_EQ(other.ask("RPUSH l a b"), ":2");
  EXPECT_EQ(first.reply(), "[l, a]");
  EXPECT_EQ(second.reply(), "[l, b]");
  EXPECT_EQ(first.reply(), ":1");
}

TEST_P(EitherWayTest, AWaitEndsAtItsTimeAndNotEarlier) {
  RespClient waiter(port_), other(port_);
  const auto begin = Clock::now();
  waiter.send(request({"BLPOP", "l", "1.5"}));
  eventually([&] { return info(other, "blocked_clients") == 1; });
  upgrade();
  EXPECT_EQ(waiter.reply(), "(nil)");
  const auto took = Clock::now() - begin;
  EXPECT_GE(took, std::chrono::milliseconds(1500));
  EXPECT_LT(took, std::chrono::seconds(15));
  EXPECT_EQ(waiter.ask("PING"), "PONG");
}

TEST_P(EitherWayTest, AWaiterThatHasGoneTakesNothingWithIt) {
  RespClient other(port_);
  {
    RespClient waiter(port_);
    waiter.send(request({"BLPOP", "l", "0"}));
    eventually([&] { return info(other, "blocked_clients") == 1; });
    upgrade();
  }
  eventually([&] { return info(other, "blocked_clients") == 0; });
  EXPECT_EQ(other.ask("RPUSH l a"), ":1");
  EXPECT_EQ(other.ask("LLEN l"), ":1");
}

TEST_P(EitherWayTest, SubscribersGetWhatIsPublishedAfterwards) {
  RespClient subscriber(port_), other(port_);
  EXPECT_EQ(subscriber.ask("SUBSCRIBE news"), "[subscribe, news, :1]");
  upgrade();
  EXPECT_EQ(other.ask("PUBLISH news hello"), ":1");
  EXPECT_EQ(subscriber.reply(), "[message, news, hello]");
  EXPECT_EQ(subscriber.ask("GET a").substr(0, 24), "-ERR Can't execute 'get'");
  EXPECT_EQ(subscriber.ask("UNSUBSCRIBE"), "[unsubscribe, news, :0]");
}

TEST_P(EitherWayTest, RepliesThatNobodyReadsArriveByteForByte) {
  RespClient lazy(port_, 4096), other(port_);
  std::string value(8u << 20, '\0');
  std::mt19937 random(1);
  for (char& c : value) c = static_cast<char>(random());
  ASSERT_EQ(other.ask({"SET", "k", value}), "OK");
  lazy.send(request({"GET", "k"}));
  eventually([&] { return info(other, "keyspace_hits") == 1; });
  upgrade();
  const std::string expected = "$8388608\r\n" + value + "\r\n";
  EXPECT_TRUE(lazy.bytes(expected.size()) == expected);
  EXPECT_EQ(lazy.ask("PING"), "PONG");
}

TEST_P(EitherWayTest, NameDatabaseAndTimesStay) {
  RespClient client(port_);
  const std::string id = client.ask("CLIENT ID");
  client.ask("CLIENT SETNAME worker");
  client.ask("SELECT 3");
  client.ask("SET text hello");
  client.ask("SET number 41 PX 100000");
  client.ask("RPUSH list a b c");
  upgrade();
  EXPECT_EQ(client.ask("CLIENT ID"), id);
  EXPECT_EQ(client.ask("CLIENT GETNAME"), "worker");
  EXPECT_EQ(client.ask("GET text"), "hello");
  EXPECT_EQ(client.ask("INCR number"), ":42");
  EXPECT_EQ(client.ask("LRANGE list 0 -1"), "[a, b, c]");
  const long left = std::stol(client.ask("PTTL number").substr(1));
  EXPECT_LE(left, 100'000);
  EXPECT_GT(left, 40'000);
  EXPECT_EQ(client.ask("SELECT 0"), "OK");
  EXPECT_EQ(client.ask("DBSIZE"), ":0");
}

TEST_F(KvUpgradeTest, AKeyGoesAtItsTimeThoughItsGenerationIsGone) {
  start(1);
  RespClient client(port_);
  client.ask("SET k v PX 700");
  upgrade(2);
  eventually([&] { return client.ask("DBSIZE") == ":0"; });
  EXPECT_EQ(client.ask("GET k"), "(nil)");
}

TEST_F(KvUpgradeTest, UptimeIsTheDatasNotTheProcesss) {
  start(1);
  RespClient client(port_);
  eventually([&] { return info(client, "uptime_in_seconds") >= 1; });
  upgrade(2);
  EXPECT_GE(std::stol(client.ask("HANDOFF.UPTIME").substr(1)), 1);
  upgrade(1);
  upgrade(2);
  EXPECT_GE(std::stol(client.ask("HANDOFF.UPTIME").substr(1)), 1);
}

}  // namespace
}  // namespace handoff::test
