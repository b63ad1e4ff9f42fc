// The tools that come with Redis talk to kv over TLS, before, during and after upgrades.
#include <gtest/gtest.h>

#include "kv_fixture.h"
#include "tls_fixture.h"

namespace handoff::test {
namespace {

class TlsKvUpgradeTest : public KvUpgradeTest {
 protected:
  TlsKvUpgradeTest() { arguments_ = certificate_.options(); }

  std::vector<std::string> tool(const std::string& name, std::vector<std::string> words) const {
    words.insert(words.begin(), {"/usr/bin/env", name, "-p", std::to_string(port_), "--tls",
                                 "--cacert", certificate_.path()});
    return words;
  }
  std::string cli(const std::vector<std::string>& words) const {
    const Outcome outcome = run(tool("redis-cli", words));
    return outcome.out + outcome.err;
  }

  const Certificate certificate_;
};

TEST_F(TlsKvUpgradeTest, RedisCliGoesOnThereAndBack) {
  start(1);
  EXPECT_EQ(cli({"SET", "greeting", "hello"}), "OK\n");
  Typed open(tool("redis-cli", {}));
  open.type("SET count 0\n");
  open.wait_for("OK\n");
  int count = 0;
  const std::string counter = "counter:__rand_int__";
  for (const int release : {2, 1, 2, 1}) {
    cli({"DEL", counter});
    Process benchmark(tool("redis-benchmark", {"-q", "-c", "20", "-n", "50000", "-t", "incr"}));
    eventually([&] { return cli({"GET", counter}).size() > 4; });  // all clients are there
    upgrade(release);
    open.type("INCRBY count 7\n");
    open.wait_for("\n" + std::to_string(count += 7) + "\n");
    EXPECT_EQ(benchmark.wait(), 0) << benchmark.out() << benchmark.err();
    EXPECT_EQ((benchmark.out() + benchmark.err()).find("rror"), std::string::npos);
    EXPECT_EQ(cli({"GET", counter}), "50000\n");
    EXPECT_EQ(cli({"GET", "greeting"}), "hello\n");
    EXPECT_NE(cli({"INFO"}).find("handoff_release:" + std::to_string(release)), std::string::npos);
  }
  print_blackouts();
}

// A transaction that is half queued, an element that somebody waits for, a subscriber.
TEST_F(TlsKvUpgradeTest, WhatAConnectionHasGoesOn) {
  start(1);
  Typed transaction(tool("redis-cli", {})), waiting(tool("redis-cli", {"BLPOP", "list", "0"})),
      subscriber(tool("redis-cli", {"SUBSCRIBE", "news"}));
  transaction.type("MULTI\n");
  transaction.wait_for("OK\n");
  transaction.type("SET a 1\n");
  transaction.wait_for("QUEUED\n");
  subscriber.wait_for("subscribe\nnews\n1\n");
  eventually([&] { return cli({"INFO"}).find("blocked_clients:1") != std::string::npos; });
  for (const int release : {2, 1}) upgrade(release);
  transaction.type("INCR a\n");
  transaction.wait_for("QUEUED\n", 2);
  transaction.type("EXEC\n");
  transaction.wait_for("OK\n2\n");
  EXPECT_EQ(cli({"RPUSH", "list", "element"}), "1\n");
  waiting.wait_for("list\nelement\n");
  EXPECT_EQ(cli({"PUBLISH", "news", "spring"}), "1\n");
  subscriber.wait_for("message\nnews\nspring\n");
}

// A handshake that is under way stays with its process. What follows it at once is about data that
// is the next one's by then.
TEST_F(TlsKvUpgradeTest, ARequestBehindALateHandshakeIsNotLost) {
  start(1);
  SlowClient slow(port_);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(cli({"PING"}), "PONG\n");  // slow came before
  upgrade(2);
  EXPECT_EQ(slow.ask("SET late yes\r\nHANDOFF.UPTIME\r\n", 9).substr(0, 6), "+OK\r\n:");
  EXPECT_EQ(cli({"GET", "late"}), "yes\n");
}

// A request of more than 16 MiB, and a reader that rests: records that were not sent, and one that
// was sent by half.
TEST_F(TlsKvUpgradeTest, ALargeAnswerIsExact) {
  start(1);
  const std::string value = "head -c 20000000 /dev/zero | tr '\\0' x";
  std::string set = value + " |";
  for (const std::string& word : tool("redis-cli", {"-x", "SET", "large"})) set += " " + word;
  shell(set + " >/dev/null");
  TempDir folder;
  const std::string quit = folder / "quit", read = folder / "read", begun = folder / "begun";
  shell("mkfifo " + quit + " " + read);
  std::string get = "{ printf 'GET large\\r\\n'; cat <" + quit + "; } |";
  for (const std::string& word : s_client(port_, certificate_, {"-quiet"})) get += " " + word;
  get += " 2>/dev/null | { dd bs=1 count=10 >" + begun + ".part 2>/dev/null; mv " + begun +
         ".part " + begun + "; cat <" + read + " >/dev/null; md5sum; }";
  Process reader({"/bin/sh", "-c", get});
  ASSERT_TRUE(wait_for_file(begun));
  for (const int release : {2, 1}) upgrade(release);
  shell(": >" + read + "; printf 'QUIT\\r\\n' >" + quit);
  const Outcome exact =
      run({"/bin/sh", "-c", "{ echo; " + value + "; printf '\\r\\n+OK\\r\\n'; } | md5sum"});
  const Outcome got = reader.finish();
  EXPECT_EQ(got.out, exact.out) << got.describe();
}

}  // namespace
}  // namespace handoff::test
