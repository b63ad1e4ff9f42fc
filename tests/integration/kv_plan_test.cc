// A plan for a service whose sessions share data, with clients in the middle of requests.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "kv_fixture.h"
#include "support/clients/resp_client.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"

namespace handoff::test {
namespace {

using KvPlanTest = KvUpgradeTest;

TEST_F(KvPlanTest, CopiesTheDataAndLeavesEverybodyWhereTheyWere) {
  start(1);
  RespClient watcher(port_), waiter(port_), subscriber(port_), other(port_);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(other.ask({"SET", "k" + std::to_string(i), std::string(1000, 'x')}), "OK");
  }
  watcher.ask("WATCH a");
  watcher.ask("MULTI");
  subscriber.ask("SUBSCRIBE news");
  waiter.send(request({"BLPOP", "l", "0"}));
  eventually([&] { return info(other, "blocked_clients") == 1; });
  const Footprint before(*supervisor_);

  const auto outcome = supervisor_->plan(server(2));
  ASSERT_EQ(outcome.status, 0) << outcome.describe();
  const auto plan = outcome.done();
  EXPECT_EQ(plan.at("sessions").at("move"), 4);
  EXPECT_GT(plan.at("bytes").at("sections"), 1000 * 1000);
  bool data = false;
  for (const auto& state : plan.at("states")) data = data || state.at("kind") == "data";
  EXPECT_TRUE(data) << plan;
  EXPECT_EQ(plan.at("way_back").at("possible"), true);
  before.expect_unchanged();

  EXPECT_EQ(info(other, "handoff_generation"), 1);
  EXPECT_EQ(other.ask("PUBLISH news x"), ":1");
  EXPECT_EQ(other.ask("RPUSH l x"), ":1");
  EXPECT_EQ(waiter.reply(), "[l, x]");
  EXPECT_EQ(watcher.ask("EXEC"), "[]");
  upgrade(2);
  EXPECT_EQ(subscriber.reply(), "[message, news, x]");
  EXPECT_EQ(other.ask("GET k999"), std::string(1000, 'x'));
  const auto back = supervisor_->plan(server(1));
  ASSERT_EQ(back.status, 0) << back.describe();
  EXPECT_EQ(back.done().at("states").at(0).at("old_converts"), "2 -> 1");
}

// A counter must go up by one at every answer, through plan after plan.
TEST_F(KvPlanTest, UnderTrafficNoAnswerIsLostOrGivenTwice) {
  start(1);
  std::atomic<bool> stop = false;
  std::vector<std::thread> clients;
  std::atomic<int> wrong = 0;
  std::atomic<long> answers = 0;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      RespClient client(port_);
      const std::string key = "counter" + std::to_string(c);
      for (long n = 1; !stop; ++n, ++answers) {
        if (client.ask({"INCR", key}) != ":" + std::to_string(n)) ++wrong;
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    // The test is not about the estimate of the switch, so the budget suits a busy machine.
    const auto plan = supervisor_->plan(server(i % 2 == 0 ? 2 : 1), {}, {"--freeze-budget", "10s"});
    EXPECT_EQ(plan.status, 0) << plan.describe();
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(answers, 0);
}

TEST_F(KvPlanTest, OfAnotherServiceEverythingThatDoesNotFitIsListed) {
  start(1);
  RespClient client(port_);
  client.ask("SET a b");
  const auto outcome = supervisor_->plan(program("handoff-echo-2"));
  EXPECT_EQ(outcome.status, 1) << outcome.describe();
  const auto problems = outcome.done().at("problems");
  EXPECT_GE(problems.size(), 2U) << outcome.describe();
  EXPECT_NE(outcome.describe().find("does not claim section 'data'"), std::string::npos);
  EXPECT_EQ(client.ask("GET a"), "b");
}

}  // namespace
}  // namespace handoff::test
