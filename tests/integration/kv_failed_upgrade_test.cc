// An upgrade of kv that fails is one that nobody notices.
#include <gtest/gtest.h>

#include <thread>

#include "kv_fixture.h"
#include "support/clients/resp_client.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using KvFailedUpgradeTest = KvUpgradeTest;

TEST_F(KvFailedUpgradeTest, AHeirThatIsNoneChangesNothing) {
  start(2);
  RespClient watcher(port_), waiter(port_), subscriber(port_), other(port_);
  watcher.ask("WATCH a");
  watcher.ask("MULTI");
  subscriber.ask("SUBSCRIBE news");
  waiter.send(request({"BLPOP", "l", "0"}));
  eventually([&] { return info(other, "blocked_clients") == 1; });

  const auto failed = supervisor_->upgrade("/bin/false");
  EXPECT_EQ(failed.status, 1) << failed.describe();

  EXPECT_EQ(info(other, "handoff_generation"), 1);
  EXPECT_EQ(other.ask("PUBLISH news x"), ":1");
  EXPECT_EQ(other.ask("RPUSH l x"), ":1");
  EXPECT_EQ(waiter.reply(), "[l, x]");
  EXPECT_EQ(watcher.ask("EXEC"), "[]");
  upgrade(1);
  EXPECT_EQ(subscriber.reply(), "[message, news, x]");
}

// The heir is killed while it has some of the data, which goes on changing.
TEST_F(KvFailedUpgradeTest, AHeirThatDiesInMidCopyTakesNothingWithIt) {
  start(1);
  RespClient client(port_);
  const std::string value(64 * 1024, 'x');
  constexpr int kKeys = 4096;
  for (int i = 0; i < kKeys; ++i)
    ASSERT_EQ(client.ask({"SET", "k" + std::to_string(i), value}), "OK");

  const pid_t donor = supervisor_->service_pid();
  Supervisor::Outcome outcome;
  std::thread operation([&] { outcome = supervisor_->upgrade(server(2)); });
  UniqueFd heir;
  pid_t heir_pid = -1;
  ASSERT_TRUE(supervisor_->eventually([&] {
    for (const pid_t child : children_of(supervisor_->pid())) {
      if (child == donor) continue;
      heir_pid = child;
      heir = hold(child);
    }
    return heir.valid();
  }));
  for (int i = 0; i < 50; ++i) client.ask("INCR counter");
  eventually([&] {
    client.ask("PING");
    return status_field(heir_pid, "VmRSS") > 64 * 1024;
  });
  kill_and_wait(heir);
  operation.join();
  EXPECT_EQ(outcome.status, 1) << outcome.describe();

  EXPECT_EQ(info(client, "handoff_generation"), 1);
  EXPECT_EQ(client.ask("DBSIZE"), ":" + std::to_string(kKeys + 1));
  EXPECT_EQ(client.ask("INCR counter"), ":51");
  upgrade(2);
  EXPECT_EQ(client.ask("INCR counter"), ":52");
  EXPECT_EQ(client.ask("DBSIZE"), ":" + std::to_string(kKeys + 1));
  EXPECT_EQ(client.ask("GET k4095"), value);
}

}  // namespace
}  // namespace handoff::test
