// Commands of one client that another client notices: transactions, messages, waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_client.h"

namespace kv {
namespace {

class SharingTest : public EngineTest {
 protected:
  FakeClient other{engine, 2};
  FakeClient third{engine, 3};
};

TEST_F(SharingTest, TransactionsAreCarriedOutAtOnce) {
  EXPECT_EQ(ask("EXEC"), "-ERR EXEC without MULTI\r\n");
  EXPECT_EQ(ask("DISCARD"), "-ERR DISCARD without MULTI\r\n");
  EXPECT_EQ(ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(ask("MULTI"), "-ERR MULTI calls can not be nested\r\n");
  EXPECT_EQ(ask("WATCH a"), "-ERR WATCH inside MULTI is not allowed\r\n");
  EXPECT_EQ(ask("SET a 1"), "+QUEUED\r\n");
  EXPECT_EQ(ask("LPOP a"), "+QUEUED\r\n");
  EXPECT_EQ(ask("BLPOP nope 0"), "+QUEUED\r\n");
  EXPECT_EQ(other.ask("GET a"), "$-1\r\n");
  EXPECT_EQ(ask("EXEC"),
            "*3\r\n+OK\r\n-WRONGTYPE Operation against a key holding the wrong kind of "
            "value\r\n*-1\r\n");
  EXPECT_EQ(ask("EXEC"), "-ERR EXEC without MULTI\r\n");
}

TEST_F(SharingTest, ARefusedCommandSpoilsItsTransaction) {
  ask("MULTI");
  EXPECT_EQ(ask("GET"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(ask("SET a 1"), "+QUEUED\r\n");
  EXPECT_EQ(ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(ask("EXISTS a"), ":0\r\n");
  ask("MULTI");
  ask("SET a 1");
  EXPECT_EQ(ask("DISCARD"), "+OK\r\n");
  EXPECT_EQ(ask("EXISTS a"), ":0\r\n");
}

TEST_F(SharingTest, ExecDependsOnWhatIsWatched) {
  ask("WATCH a b");
  other.ask("SET b 1");
  EXPECT_EQ(client.changes, 1);
  ask("MULTI");
  ask("PING");
  EXPECT_EQ(ask("EXEC"), "*-1\r\n");
  ask("MULTI");
  EXPECT_EQ(ask("EXEC"), "*0\r\n") << "EXEC has ended the watch";
  ask("WATCH a");
  other.ask("SELECT 1");
  other.ask("SET a 1");
  ask("MULTI");
  EXPECT_EQ(ask("EXEC"), "*0\r\n") << "another database";
  ask("WATCH a");
  ask("SET a 1");
  ask("UNWATCH");
  ask("MULTI");
  EXPECT_EQ(ask("EXEC"), "*0\r\n");
}

TEST_F(SharingTest, AWatchedKeyMayBeFlushedOrPassItsTime) {
  ask("SET a 1");
  ask("WATCH a nope");
  other.ask("FLUSHALL");
  ask("MULTI");
  EXPECT_EQ(ask("EXEC"), "*-1\r\n");
  ask("WATCH a");
  other.ask("FLUSHALL");
  ask("MULTI");
  EXPECT_EQ(ask("EXEC"), "*0\r\n") << "there was nothing to flush";
  ask("SET a 1 PX 10");
  ask("WATCH a");
  now += 10'000;
  ask("MULTI");
  EXPECT_EQ(ask("EXEC"), "*-1\r\n");
}

TEST_F(SharingTest, MessagesReachSubscribers) {
  EXPECT_EQ(ask("SUBSCRIBE a b"),
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
  third.ask("SUBSCRIBE a");
  EXPECT_EQ(other.ask("PUBLISH a hi"), ":2\r\n");
  EXPECT_EQ(client.take(), "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n");
  EXPECT_EQ(
      ask("GET x"),
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
      "are allowed in this context\r\n");
  EXPECT_EQ(ask("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  EXPECT_EQ(ask("UNSUBSCRIBE a"), "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n");
  EXPECT_EQ(ask("UNSUBSCRIBE"), "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n");
  EXPECT_EQ(ask("UNSUBSCRIBE"), "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
  EXPECT_EQ(ask("PING"), "+PONG\r\n");
  EXPECT_EQ(other.ask("PUBLISH a hi"), ":1\r\n");
  EXPECT_EQ(other.ask("PUBLISH b hi"), ":0\r\n");
}

TEST_F(SharingTest, BlpopTakesWhatIsThere) {
  ask("RPUSH l a b");
  EXPECT_EQ(ask("BLPOP nope l 0"), "*2\r\n$1\r\nl\r\n$1\r\na\r\n");
  EXPECT_EQ(ask("BLPOP l 0"), "*2\r\n$1\r\nl\r\n$1\r\nb\r\n");
  EXPECT_EQ(ask("BLPOP l x"), "-ERR timeout is not a float or out of range\r\n");
  EXPECT_EQ(ask("BLPOP l -1"), "-ERR timeout is negative\r\n");
  EXPECT_EQ(ask("BLPOP l 1e300"), "-ERR timeout is out of range\r\n");
  EXPECT_FALSE(client.state().wait);
}

TEST_F(SharingTest, WhoWaitsLongestIsServedFirst) {
  EXPECT_EQ(ask("BLPOP x l 0"), "");
  EXPECT_EQ(third.ask("BLPOP l 0"), "");
  EXPECT_EQ(engine.waiting.size(), 2u);
  EXPECT_EQ(other.ask("RPUSH l a"), ":1\r\n");
  EXPECT_EQ(client.take(), "*2\r\n$1\r\nl\r\n$1\r\na\r\n");
  EXPECT_EQ(third.take(), "");
  EXPECT_THAT(engine.waiting.take_released(), testing::ElementsAre(1));
  EXPECT_EQ(other.ask("LPUSH l b c"), ":2\r\n");
  EXPECT_EQ(third.take(), "*2\r\n$1\r\nl\r\n$1\r\nc\r\n");
  EXPECT_EQ(other.ask("LRANGE l 0 -1"), "*1\r\n$1\r\nb\r\n");
  EXPECT_EQ(engine.waiting.size(), 0u);
}

TEST_F(SharingTest, WaitersAreServedAfterTheTransactionNotWithin) {
  ask("BLPOP l 0");
  other.ask("MULTI");
  other.ask("RPUSH l a");
  other.ask("DEL l");
  EXPECT_EQ(other.ask("EXEC"), "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(client.take(), "");
  other.ask("MULTI");
  other.ask("RPUSH l a");
  other.ask("LPUSH l b");
  other.ask("EXEC");
  EXPECT_EQ(client.take(), "*2\r\n$1\r\nl\r\n$1\r\nb\r\n");
}

TEST_F(SharingTest, AWaitEndsAtItsTime) {
  ask("BLPOP l 1.5");
  third.ask("BLPOP l 0.5");
  EXPECT_EQ(engine.next_event(), now + 500'000);
  pass(500'000);
  EXPECT_EQ(third.take(), "*-1\r\n");
  EXPECT_EQ(client.take(), "");
  pass(1'000'000);
  EXPECT_EQ(client.take(), "*-1\r\n");
  EXPECT_EQ(engine.next_event(), kNever);
  EXPECT_EQ(other.ask("RPUSH l a"), ":1\r\n");
}

TEST_F(SharingTest, AClientThatIsLeavingGetsNoElement) {
  ask("BLPOP l 0");
  client.ending = true;
  third.ask("BLPOP l 0");
  other.ask("RPUSH l a");
  EXPECT_EQ(third.take(), "*2\r\n$1\r\nl\r\n$1\r\na\r\n");
}

TEST_F(SharingTest, TheOrderOfWaitersHoldsInAnotherGeneration) {
  ask("BLPOP l 0");
  now += 5;
  other.ask("BLPOP l 0");
  third.ask("BLPOP l 0");
  Engine heir(&clock);
  FakeClient c3(heir, 3, third.state()), c1(heir, 1, client.state()), c2(heir, 2, other.state());
  FakeClient late(heir, 4), pusher(heir, 5);
  late.ask("BLPOP l 0");
  pusher.ask("RPUSH l first second third fourth");
  EXPECT_EQ(c1.take(), "*2\r\n$1\r\nl\r\n$5\r\nfirst\r\n");
  EXPECT_EQ(c2.take(), "*2\r\n$1\r\nl\r\n$6\r\nsecond\r\n");
  EXPECT_EQ(c3.take(), "*2\r\n$1\r\nl\r\n$5\r\nthird\r\n");
  EXPECT_EQ(late.take(), "*2\r\n$1\r\nl\r\n$6\r\nfourth\r\n");
}

TEST_F(SharingTest, WatchesAndSubscriptionsHoldInAnotherGeneration) {
  ask("WATCH a");
  other.ask("SUBSCRIBE ch");
  Engine heir(&clock);
  FakeClient watcher(heir, 1, client.state()), subscriber(heir, 2, other.state()), c(heir, 5);
  EXPECT_EQ(c.ask("PUBLISH ch x"), ":1\r\n");
  EXPECT_NE(subscriber.take(), "");
  c.ask("SET a 1");
  watcher.ask("MULTI");
  EXPECT_EQ(watcher.ask("EXEC"), "*-1\r\n");
}

TEST_F(SharingTest, WhoLeavesLeavesNothingBehind) {
  {
    FakeClient guest(engine, 9);
    guest.ask("WATCH a");
    guest.ask("SUBSCRIBE ch");
  }
  {
    FakeClient guest(engine, 9);
    guest.ask("BLPOP l 5");
  }
  EXPECT_EQ(engine.waiting.next_deadline(), kNever);
  EXPECT_EQ(engine.waiting.size(), 0u);
  EXPECT_EQ(ask("PUBLISH ch x"), ":0\r\n");
  EXPECT_EQ(ask("RPUSH l x"), ":1\r\n");
  EXPECT_EQ(ask("SET a 1"), "+OK\r\n");
}

}  // namespace
}  // namespace kv
