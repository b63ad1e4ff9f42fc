// What clients of kv see while releases 1 and 2 take turns: nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "deployment.h"
#include "process.h"
#include "resp_client.h"

namespace kv::test {
namespace {

using Clock = std::chrono::steady_clock;

class KvUpgradeTest : public testing::Test {
 protected:
  void start(int release) { deployment_ = deploy_in_miniature(release); }
  void upgrade(int release) { deployment_->upgrade(release); }
  std::string address() const { return deployment_->address(); }
  std::string port() const { return address().substr(address().rfind(':') + 1); }

  // Asks again and again until it is so.
  void eventually(const std::function<bool()>& is_so) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (!is_so()) {
      if (Clock::now() > deadline) throw std::runtime_error("it has never become so");
      std::this_thread::yield();
    }
  }
  // A number of INFO.
  long info(RespClient& client, const std::string& name) {
    const std::string all = client.ask("INFO");
    const std::size_t at = all.find(name + ":");
    return at == std::string::npos ? -1 : std::stol(all.substr(at + name.size() + 1));
  }

  std::unique_ptr<Deployment> deployment_;
};

// From each release to the other.
class EitherWayTest : public KvUpgradeTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override { start(GetParam()); }
  void upgrade() { KvUpgradeTest::upgrade(3 - GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(From, EitherWayTest, testing::Values(1, 2));

TEST_P(EitherWayTest, TheOtherReleaseAnswers) {
  RespClient client(address());
  EXPECT_EQ(info(client, "handoff_release"), GetParam());
  EXPECT_EQ(info(client, "handoff_generation"), 1);
  upgrade();
  EXPECT_EQ(info(client, "handoff_release"), 3 - GetParam());
  EXPECT_EQ(info(client, "handoff_generation"), 2);
  EXPECT_EQ(info(client, "connected_clients"), 1);
}

TEST_P(EitherWayTest, HalfARequestMeetsItsOtherHalf) {
  RespClient client(address()), large(address());
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
  RespClient good(address()), bad(address());
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
  RespClient none(address()), before(address()), after(address()), other(address());
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
  RespClient first(address()), second(address()), other(address());
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
  RespClient waiter(address()), other(address());
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
  RespClient other(address());
  {
    RespClient waiter(address());
    waiter.send(request({"BLPOP", "l", "0"}));
    eventually([&] { return info(other, "blocked_clients") == 1; });
    upgrade();
  }
  eventually([&] { return info(other, "blocked_clients") == 0; });
  EXPECT_EQ(other.ask("RPUSH l a"), ":1");
  EXPECT_EQ(other.ask("LLEN l"), ":1");
}

TEST_P(EitherWayTest, SubscribersGetWhatIsPublishedAfterwards) {
  RespClient subscriber(address()), other(address());
  EXPECT_EQ(subscriber.ask("SUBSCRIBE news"), "[subscribe, news, :1]");
  upgrade();
  EXPECT_EQ(other.ask("PUBLISH news hello"), ":1");
  EXPECT_EQ(subscriber.reply(), "[message, news, hello]");
  EXPECT_EQ(subscriber.ask("GET a").substr(0, 24), "-ERR Can't execute 'get'");
  EXPECT_EQ(subscriber.ask("UNSUBSCRIBE"), "[unsubscribe, news, :0]");
}

TEST_P(EitherWayTest, RepliesThatNobodyReadsArriveByteForByte) {
  RespClient lazy(address(), 4096), other(address());
  std::string expected;
  std::mt19937 random(1);
  for (int i = 0; i < 8; ++i) {
    std::string value(1u << 20, '\0');
    for (char& c : value) c = static_cast<char>(random());
    other.ask({"SET", "k" + std::to_string(i), value});
    expected += "$1048576\r\n" + value + "\r\n";
  }
  for (int i = 0; i < 8; ++i) lazy.send(request({"GET", "k" + std::to_string(i)}));
  eventually([&] { return info(other, "keyspace_hits") == 8; });
  upgrade();
  EXPECT_TRUE(lazy.bytes(expected.size()) == expected);
  EXPECT_EQ(lazy.ask("PING"), "PONG");
}

TEST_P(EitherWayTest, NameDatabaseAndTimesStay) {
  RespClient client(address());
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
  RespClient client(address());
  client.ask("SET k v PX 700");
  upgrade(2);
  eventually([&] { return client.ask("DBSIZE") == ":0"; });
  EXPECT_EQ(client.ask("GET k"), "(nil)");
}

TEST_F(KvUpgradeTest, UptimeIsTheDatasNotTheProcesss) {
  start(1);
  RespClient client(address());
  eventually([&] { return info(client, "uptime_in_seconds") >= 1; });
  upgrade(2);
  EXPECT_GE(std::stol(client.ask("HANDOFF.UPTIME").substr(1)), 1);
  upgrade(1);
  upgrade(2);
  EXPECT_GE(std::stol(client.ask("HANDOFF.UPTIME").substr(1)), 1);
}

TEST_F(KvUpgradeTest, RedisBenchmarkSeesNoErrorInTenUpgrades) {
  start(1);
  Process benchmark({"redis-benchmark", "-p", port(), "-c", "50", "-P", "16", "-n", "200000", "-r",
                     "10000", "-l", "-q", "-t", "set,get,incr,lpush,rpush,lpop,rpop,mset"});
  RespClient client(address());
  int release = 1;
  for (int i = 1; i <= 10; ++i) {
    eventually([&] { return info(client, "total_commands_processed") > 20'000; });
    upgrade(release = 3 - release);
    EXPECT_EQ(info(client, "handoff_generation"), i + 1);
  }
  eventually([&] { return info(client, "total_commands_processed") > 20'000; });
  eventually([&] { return info(client, "connected_clients") == 51; });
  EXPECT_TRUE(benchmark.running());
  benchmark.signal(SIGTERM);
  benchmark.wait();
  const std::string output = benchmark.output();
  EXPECT_EQ(output.find("rror"), std::string::npos) << output;
  EXPECT_EQ(output.find("closed"), std::string::npos) << output;
}

// One client with a model of what it has done, while others load the server.
TEST_F(KvUpgradeTest, WhatWasAnsweredIsTrueWhateverTheGeneration) {
  start(2);
  Process benchmark({"redis-benchmark", "-p", port(), "-c", "10", "-P", "4", "-n", "1000000", "-r",
                     "1000", "-l", "-q", "-t", "set,lpush,lpop"});
  std::atomic<bool> done = false;
  std::string trouble;
  std::map<std::string, long> model;
  std::thread worker([&] {
    RespClient client(address());
    client.ask("SELECT 5");
    std::mt19937 random(2);
    while (!done && trouble.empty()) {
      const std::string key = "k" + std::to_string(random() % 2000);
      const bool known = model.count(key) != 0;
      std::string got, expected;
      switch (random() % 4) {
        case 0:
          got = client.ask("DEL " + key);
          expected = known ? ":1" : ":0";
          model.erase(key);
          break;
        case 1:
          got = client.ask("GET " + key);
          expected = known ? std::to_string(model[key]) : "(nil)";
          break;
        default:
          got = client.ask("INCR " + key);
          expected = ":" + std::to_string(++model[key]);
      }
      if (got != expected) trouble = key + ": " + got + " instead of " + expected;
    }
    for (const auto& [key, value] : model) {
      if (client.ask("GET " + key) != std::to_string(value)) trouble = key + " at the end";
    }
    if (client.ask("DBSIZE") != ":" + std::to_string(model.size())) trouble = "size";
  });
  RespClient client(address());
  int release = 2;
  for (int i = 0; i < 10; ++i) {
    eventually([&] { return info(client, "total_commands_processed") > 5000; });
    upgrade(release = 3 - release);
  }
  done = true;
  worker.join();
  EXPECT_EQ(trouble, "");
  EXPECT_TRUE(benchmark.running()) << benchmark.output();
}

// Half a gibibyte: every value is computed anew from its key and compared.
class LargeDataTest : public KvUpgradeTest {
 protected:
  static constexpr int kKeys = 128 * 1024;
  static constexpr std::size_t kSize = 4096;

  static std::string value_of(int key) {
    std::string value(kSize, '\0');
    std::uint64_t x = static_cast<std::uint64_t>(key) * 0x9E3779B97F4A7C15u + 1;
    for (std::size_t i = 0; i < kSize; i += 8) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      value.replace(i, 8, reinterpret_cast<const char*>(&x), 8);
    }
    return value;
  }
  void fill(RespClient& client) {
    for (int key = 0; key < kKeys; key += 64) {
      std::vector<std::string> words = {"MSET"};
      for (int k = key; k < key + 64; ++k) {
        words.push_back("key" + std::to_string(k));
        words.push_back(value_of(k));
      }
      ASSERT_EQ(client.ask(words), "OK");
    }
  }
  int count_wrong(RespClient& client) {
    int wrong = 0;
    for (int key = 0; key < kKeys; key += 64) {
      std::string requests;
      for (int k = key; k < key + 64; ++k) requests += request({"GET", "key" + std::to_string(k)});
      client.send(requests);
      for (int k = key; k < key + 64; ++k) wrong += client.reply() == value_of(k) ? 0 : 1;
    }
    return wrong;
  }
};

TEST_F(LargeDataTest, HalfAGibibyteIsTheSameInBothDirections) {
  start(1);
  RespClient client(address());
  fill(client);
  ASSERT_EQ(count_wrong(client), 0);
  for (const int release : {2, 1}) {
    upgrade(release);
    EXPECT_EQ(info(client, "handoff_release"), release);
    EXPECT_EQ(client.ask("DBSIZE"), ":" + std::to_string(kKeys));
    EXPECT_EQ(count_wrong(client), 0);
  }
}

}  // namespace
}  // namespace kv::test
