// Upgrades of kv under load, and of much data.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "kv_fixture.h"
#include "support/clients/resp_client.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

// The tests look at errors that clients see, not at the length of a freeze. On a busy host or under
// a sanitizer an upgrade would miss the default budget and show nothing, so theirs is longer.
class KvLoadTest : public KvUpgradeTest {
 protected:
  KvLoadTest() { run_flags_ = {"--freeze-budget", "3s"}; }
};

TEST_F(KvLoadTest, RedisBenchmarkSeesNoErrorInTenUpgrades) {
  start(1);
  Process benchmark(redis_benchmark({"-c", "50", "-P", "16", "-n", "200000", "-r", "10000", "-l",
                                     "-t", "set,get,incr,lpush,rpush,lpop,rpop,mset"}));
  RespClient client(port_);
  int release = 1;
  for (int i = 1; i <= 10; ++i) {
    eventually([&] { return info(client, "total_commands_processed") > 20'000; });
    upgrade(release = 3 - release);
    EXPECT_EQ(info(client, "handoff_generation"), i + 1);
  }
  eventually([&] { return info(client, "total_commands_processed") > 20'000; });
  eventually([&] { return info(client, "connected_clients") == 51; });
  // redis-benchmark ends at the first error.
  EXPECT_TRUE(benchmark.running()) << benchmark.out() << benchmark.err();
  print_blackouts();

  Process last(redis_benchmark({"-c", "50", "-P", "16", "-n", "100000", "-t", "set,get"}));
  EXPECT_EQ(last.wait(Deadline::in(60s)), 0) << last.out() << last.err();
}

// One client compares every answer with a model of what it has done, while others load the server.
TEST_F(KvLoadTest, WhatWasAnsweredIsTrueWhateverTheGeneration) {
  start(2);
  Process benchmark(redis_benchmark(
      {"-c", "10", "-P", "4", "-n", "1000000", "-r", "1000", "-l", "-t", "set,lpush,lpop"}));
  std::atomic<bool> done = false;
  std::string trouble;
  std::map<std::string, long> model;
  std::thread worker([&] {
    RespClient client(port_);
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
  RespClient client(port_);
  int release = 2;
  for (int i = 0; i < 10; ++i) {
    eventually([&] { return info(client, "total_commands_processed") > 5000; });
    upgrade(release = 3 - release);
  }
  done = true;
  worker.join();
  EXPECT_EQ(trouble, "");
  EXPECT_TRUE(benchmark.running()) << benchmark.out() << benchmark.err();
}

// Half a gibibyte of data. Each value follows from its key, so the test can check all of it.
class LargeDataTest : public KvLoadTest {
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
  RespClient client(port_);
  fill(client);
  ASSERT_EQ(count_wrong(client), 0);
  for (const int release : {2, 1}) {
    upgrade(release);
    EXPECT_EQ(info(client, "handoff_release"), release);
    EXPECT_EQ(client.ask("DBSIZE"), ":" + std::to_string(kKeys));
    EXPECT_EQ(count_wrong(client), 0);
  }
  print_blackouts();
}

}  // namespace
}  // namespace handoff::test
