// Commands as transcripts: the request, and the bytes of the reply.
#include <gtest/gtest.h>

#include "fake_client.h"
#include "release.h"

namespace kv {
namespace {

class CommandsTest : public EngineTest {};

constexpr const char* kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
constexpr const char* kNotInteger = "-ERR value is not an integer or out of range\r\n";

TEST_F(CommandsTest, Connection) {
  EXPECT_EQ(ask("PING"), "+PONG\r\n");
  EXPECT_EQ(ask("ping hi"), "$2\r\nhi\r\n");
  EXPECT_EQ(ask("PING a b"), "-ERR wrong number of arguments for 'ping' command\r\n");
  EXPECT_EQ(ask("ECHO x"), "$1\r\nx\r\n");
  EXPECT_EQ(ask("SELECT 15"), "+OK\r\n");
  EXPECT_EQ(ask("SELECT 16"), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(ask("SELECT x"), "-ERR invalid DB index\r\n");
  EXPECT_EQ(ask("QUIT"), "+OK\r\n");
  EXPECT_TRUE(client.ending);
}

TEST_F(CommandsTest, UnknownOnesAndWrongArity) {
  EXPECT_EQ(ask("nope a b"), "-ERR unknown command 'nope', with args beginning with: 'a' 'b' \r\n");
  EXPECT_EQ(ask("GET"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(ask("GeT a b"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(client.ask(std::vector<std::string>{"a\r\nb"}),
            "-ERR unknown command 'a  b', with args beginning with: \r\n");
  EXPECT_EQ(ask("CLIENT nope"), "-ERR unknown subcommand 'nope'. Try CLIENT HELP.\r\n");
  EXPECT_EQ(ask("CLIENT setname"),
            "-ERR wrong number of arguments for 'client|setname' command\r\n");
}

TEST_F(CommandsTest, Client) {
  EXPECT_EQ(ask("CLIENT GETNAME"), "$-1\r\n");
  EXPECT_EQ(ask("CLIENT SETNAME bob"), "+OK\r\n");
  EXPECT_EQ(ask("CLIENT GETNAME"), "$3\r\nbob\r\n");
  EXPECT_EQ(ask("CLIENT ID"), ":1\r\n");
  EXPECT_EQ(ask("CLIENT SETNAME 'a b'"),
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  EXPECT_EQ(ask("CLIENT SETINFO lib-name x"), "+OK\r\n");
  EXPECT_NE(ask("CLIENT LIST").find("id=1 addr=127.0.0.1:1 name=bob"), std::string::npos);
}

TEST_F(CommandsTest, Strings) {
  EXPECT_EQ(ask("GET a"), "$-1\r\n");
  EXPECT_EQ(ask("SET a 1"), "+OK\r\n");
  EXPECT_EQ(ask("GET a"), "$1\r\n1\r\n");
  EXPECT_EQ(ask("SET a 2 NX"), "$-1\r\n");
  EXPECT_EQ(ask("SET b 2 XX"), "$-1\r\n");
  EXPECT_EQ(ask("SET a 2 XX GET"), "$1\r\n1\r\n");
  EXPECT_EQ(ask("SET a 2 NX XX"), "-ERR syntax error\r\n");
  EXPECT_EQ(ask("SET a 2 EX"), "-ERR syntax error\r\n");
  EXPECT_EQ(ask("SET a 2 EX 1 PX 1"), "-ERR syntax error\r\n");
  EXPECT_EQ(ask("SET a 2 EX x"), kNotInteger);
  EXPECT_EQ(ask("SET a 2 EX 0"), "-ERR invalid expire time in 'set' command\r\n");
  EXPECT_EQ(ask("SET a 2 EX 9223372036854775807"), "-ERR invalid expire time in 'set' command\r\n");
  EXPECT_EQ(ask("MSET x 1 y two"), "+OK\r\n");
  EXPECT_EQ(ask("MSET x"), "-ERR wrong number of arguments for 'mset' command\r\n");
  EXPECT_EQ(ask("MSET x 1 y"), "-ERR wrong number of arguments for 'mset' command\r\n");
  EXPECT_EQ(ask("MGET x nope y"), "*3\r\n$1\r\n1\r\n$-1\r\n$3\r\ntwo\r\n");
}

TEST_F(CommandsTest, Counters) {
  EXPECT_EQ(ask("INCR n"), ":1\r\n");
  EXPECT_EQ(ask("INCRBY n 41"), ":42\r\n");
  EXPECT_EQ(ask("DECR n"), ":41\r\n");
  EXPECT_EQ(ask("DECRBY n 50"), ":-9\r\n");
  EXPECT_EQ(ask("GET n"), "$2\r\n-9\r\n");
  ask("SET n abc");
  EXPECT_EQ(ask("INCR n"), kNotInteger);
  ask("SET n 01");
  EXPECT_EQ(ask("INCR n"), kNotInteger);
  EXPECT_EQ(ask("GET n"), "$2\r\n01\r\n");
  ask("SET n 9223372036854775807");
  EXPECT_EQ(ask("INCR n"), "-ERR increment or decrement would overflow\r\n");
  EXPECT_EQ(ask("DECRBY n -9223372036854775808"), "-ERR decrement would overflow\r\n");
  EXPECT_EQ(ask("INCRBY n x"), kNotInteger);
  ask("SET n 5 EX 10");
  ask("INCR n");
  EXPECT_EQ(ask("TTL n"), ":10\r\n");
}

TEST_F(CommandsTest, Keys) {
  ask("MSET a 1 b 2 abc 3");
  EXPECT_EQ(ask("EXISTS a a nope"), ":2\r\n");
  EXPECT_EQ(ask("DBSIZE"), ":3\r\n");
  EXPECT_EQ(ask("KEYS b"), "*1\r\n$1\r\nb\r\n");
  EXPECT_EQ(ask("KEYS z*"), "*0\r\n");
  EXPECT_EQ(ask("DEL a b nope"), ":2\r\n");
  ask("RPUSH l x");
  EXPECT_EQ(ask("TYPE l"), "+list\r\n");
  EXPECT_EQ(ask("TYPE abc"), "+string\r\n");
  EXPECT_EQ(ask("TYPE nope"), "+none\r\n");
  ask("SELECT 2");
  ask("SET other 1");
  EXPECT_EQ(ask("FLUSHDB"), "+OK\r\n");
  EXPECT_EQ(ask("DBSIZE"), ":0\r\n");
  ask("SELECT 0");
  EXPECT_EQ(ask("DBSIZE"), ":2\r\n");
  EXPECT_EQ(ask("FLUSHALL ASYNC"), "+OK\r\n");
  EXPECT_EQ(ask("FLUSHALL nope"), "-ERR syntax error\r\n");
  EXPECT_EQ(ask("DBSIZE"), ":0\r\n");
}

TEST_F(CommandsTest, Expiry) {
  ask("SET a 1 EX 10");
  EXPECT_EQ(ask("TTL a"), ":10\r\n");
  EXPECT_EQ(ask("PTTL a"), ":10000\r\n");
  now += 9'600'000;
  EXPECT_EQ(ask("TTL a"), ":0\r\n");
  EXPECT_EQ(ask("GET a"), "$1\r\n1\r\n");
  now += 400'000;
  EXPECT_EQ(ask("GET a"), "$-1\r\n");
  EXPECT_EQ(ask("TTL a"), ":-2\r\n");
  ask("SET a 1");
  EXPECT_EQ(ask("TTL a"), ":-1\r\n");
  EXPECT_EQ(ask("EXPIRE a 5"), ":1\r\n");
  EXPECT_EQ(ask("EXPIRE a 6 NX"), ":0\r\n");
  EXPECT_EQ(ask("EXPIRE a 6 GT"), ":1\r\n");
  EXPECT_EQ(ask("EXPIRE a 9 LT"), ":0\r\n");
  EXPECT_EQ(ask("EXPIRE a 9 what"), "-ERR Unsupported option what\r\n");
  EXPECT_EQ(ask("PERSIST a"), ":1\r\n");
  EXPECT_EQ(ask("PERSIST a"), ":0\r\n");
  EXPECT_EQ(ask("EXPIRE a 9223372036854775807"),
            "-ERR invalid expire time in 'expire' command\r\n");
  EXPECT_EQ(ask("EXPIRE a -1"), ":1\r\n");
  EXPECT_EQ(ask("EXISTS a"), ":0\r\n");
  EXPECT_EQ(ask("EXPIRE a 5"), ":0\r\n");
  ask("SET k 1 PX 1500");
  ask("SET k 2 KEEPTTL");
  EXPECT_EQ(ask("PTTL k"), ":1500\r\n");
  ask("SET k 2");
  EXPECT_EQ(ask("PTTL k"), ":-1\r\n");
}

TEST_F(CommandsTest, KeysPastTheirTimeGoThoughNobodyAsks) {
  for (int i = 0; i < 2500; ++i) ask("SET k" + std::to_string(i) + " v PX 50");
  ask("SET stays v");
  EXPECT_EQ(engine.next_event(), now + 50'000);
  for (int ticks = 0; engine.next_event() != kNever && ticks < 10; ++ticks) {
    pass(std::max<Time>(0, engine.next_event() - now));
  }
  EXPECT_EQ(ask("DBSIZE"), ":1\r\n");
  EXPECT_EQ(engine.next_event(), kNever);
}

TEST_F(CommandsTest, Lists) {
  EXPECT_EQ(ask("RPUSH l a b c"), ":3\r\n");
  EXPECT_EQ(ask("LPUSH l z y"), ":5\r\n");
  EXPECT_EQ(ask("LRANGE l 0 -1"), "*5\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
  EXPECT_EQ(ask("LRANGE l -2 100"), "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
  EXPECT_EQ(ask("LRANGE l 3 1"), "*0\r\n");
  EXPECT_EQ(ask("LRANGE nope 0 -1"), "*0\r\n");
  EXPECT_EQ(ask("LRANGE l x 1"), kNotInteger);
  EXPECT_EQ(ask("LLEN l"), ":5\r\n");
  EXPECT_EQ(ask("LPOP l"), "$1\r\ny\r\n");
  EXPECT_EQ(ask("RPOP l 2"), "*2\r\n$1\r\nc\r\n$1\r\nb\r\n");
  EXPECT_EQ(ask("LPOP l 0"), "*0\r\n");
  EXPECT_EQ(ask("LPOP l -1"), "-ERR value is out of range, must be positive\r\n");
  EXPECT_EQ(ask("LPOP l 9"), "*2\r\n$1\r\nz\r\n$1\r\na\r\n");
  EXPECT_EQ(ask("EXISTS l"), ":0\r\n");
  EXPECT_EQ(ask("LPOP l"), "$-1\r\n");
  EXPECT_EQ(ask("LPOP l 1"), "*-1\r\n");
  EXPECT_EQ(ask("LPOP l 1 2"), "-ERR wrong number of arguments for 'lpop' command\r\n");
}

TEST_F(CommandsTest, WrongTypes) {
  ask("SET s 1");
  ask("RPUSH l 1");
  for (const char* command : {"GET l", "INCR l", "SET l x GET", "LPUSH s x", "LPOP s", "LLEN s",
                              "LRANGE s 0 1", "BLPOP s 0"}) {
    EXPECT_EQ(ask(command), kWrongType) << command;
  }
  EXPECT_EQ(ask("MGET l s"), "*2\r\n$-1\r\n$1\r\n1\r\n");
  EXPECT_EQ(ask("SET l now-text"), "+OK\r\n");
}

TEST_F(CommandsTest, ServerQuestionsOfTheUsualTools) {
  EXPECT_EQ(ask("CONFIG GET save"), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
  EXPECT_EQ(ask("CONFIG GET nope"), "*0\r\n");
  EXPECT_EQ(ask("CONFIG SET save x"), "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n");
  EXPECT_EQ(ask("COMMAND DOCS"), "*0\r\n");
  EXPECT_TRUE(ask("COMMAND").starts_with("*"));
  EXPECT_TRUE(ask("COMMAND COUNT").starts_with(":"));
  EXPECT_EQ(ask("COMMAND INFO get nope"),
            "*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*-1\r\n");
  const std::string info = ask("INFO");
  for (const std::string line : {"# Server\r\n", "# Clients\r\nconnected_clients:1\r\n",
                                 "# Stats\r\n", "handoff_generation:0\r\n"}) {
    EXPECT_NE(info.find(line), std::string::npos) << line;
  }
  EXPECT_NE(info.find("handoff_release:" + std::to_string(kRelease) + "\r\n"), std::string::npos);
  EXPECT_EQ(ask("INFO keyspace"), "$12\r\n# Keyspace\r\n\r\n");
}

TEST_F(CommandsTest, OnlyRelease2TellsItsUptime) {
  now += 7 * kSecond;
  const std::string reply = ask("HANDOFF.UPTIME");
  if (kRelease == 2) {
    EXPECT_EQ(reply, ":7\r\n");
  } else {
    EXPECT_TRUE(reply.starts_with("-ERR unknown command 'HANDOFF.UPTIME'"));
  }
}

}  // namespace
}  // namespace kv
