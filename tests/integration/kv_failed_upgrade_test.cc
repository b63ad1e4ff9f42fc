// No client notices an upgrade of kv that fails.
#include <gtest/gtest.h>

#include <csignal>

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

// The heir is killed when it has a part of the data, while clients change the data.
TEST_F(KvFailedUpgradeTest, AHeirThatDiesInMidCopyTakesNothingWithIt) {
  start(1);
  RespClient client(port_);
  const std::string value(64 * 1024, 'x');
  constexpr int kKeys = 4096;
  for (int i = 0; i < kKeys; ++i)
    ASSERT_EQ(client.ask({"SET", "k" + std::to_string(i), value}), "OK");

  const auto upgrade_to_2 = supervisor_->begin({"upgrade", "--json", "kv", server(2)});
  ASSERT_TRUE(upgrade_to_2->wait_for_output("\"phase\":\"copy\""));
  const pid_t donor = supervisor_->service_pid();
  pid_t heir_pid = -1;
  for (const pid_t child : children_of(supervisor_->pid())) {
    if (child != donor) heir_pid = child;
  }
  UniqueFd heir = hold(heir_pid);
  ASSERT_TRUE(heir.valid());
  // While the copy goes on, the upgrade reports several times how far it has come.
  std::size_t told = 0;
  do {
    ASSERT_TRUE(upgrade_to_2->wait_for_more(told, Deadline::patience()));
    told = upgrade_to_2->written();
  } while (status_field(heir_pid, "VmRSS") <= 64 * 1024);
  ASSERT_EQ(::kill(heir_pid, SIGSTOP), 0);
  for (int i = 0; i < 50; ++i) client.ask("INCR counter");
  kill_and_wait(heir);
  const Outcome outcome = upgrade_to_2->finish();
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
