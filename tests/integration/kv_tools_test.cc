// kv without a supervisor, and the tools that come with Redis.
#include <gtest/gtest.h>

#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

class KvToolsTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(wait_for_file(path_)) << server_.err();
    // The program listens a moment after it binds, and refuses connections until then.
    while (!connect_unix(path_, SOCK_STREAM).valid())
      ASSERT_TRUE(server_.running()) << server_.err();
  }

  // Runs a tool to its end; returns its output.
  static std::string say(std::vector<std::string> command) {
    command.insert(command.begin(), "/usr/bin/env");
    const Outcome outcome = run(command);
    return outcome.out + outcome.err;
  }
  std::string cli(std::vector<std::string> words) const {
    words.insert(words.begin(), {"redis-cli", "-s", path_});
    return say(std::move(words));
  }

  TempDir folder_;
  const std::string path_ = folder_ / "kv.sock";
  Process server_{
      {program("handoff-kv-" + std::to_string(GetParam())), "--listen", "unix:" + path_}};
};
INSTANTIATE_TEST_SUITE_P(Release, KvToolsTest, ::testing::Values(1, 2));

TEST_P(KvToolsTest, RedisCliSpeaksWithIt) {
  EXPECT_EQ(cli({"SET", "a", "hello world"}), "OK\n");
  EXPECT_EQ(cli({"GET", "a"}), "hello world\n");
  EXPECT_EQ(cli({"-n", "3", "GET", "a"}), "\n");
  EXPECT_EQ(cli({"--no-raw", "RPUSH", "l", "x", "y"}), "(integer) 2\n");
  EXPECT_EQ(cli({"--no-raw", "LRANGE", "l", "0", "-1"}), "1) \"x\"\n2) \"y\"\n");
  EXPECT_EQ(cli({"SADD", "s", "x"}),
            "ERR unknown command 'SADD', with args beginning with: 's' 'x' \n\n");
  const std::string info = cli({"INFO"});
  EXPECT_NE(info.find("handoff_release:" + std::to_string(GetParam())), std::string::npos) << info;
  EXPECT_NE(info.find("handoff_supervised:0"), std::string::npos) << info;
  EXPECT_NE(info.find("db0:keys=2,expires=0"), std::string::npos) << info;
  EXPECT_EQ(cli({"HANDOFF.UPTIME"}).find("ERR") == std::string::npos, GetParam() == 2);
}

TEST_P(KvToolsTest, RedisCliPipesInlineAndArrays) {
  const std::string script =
      "{ for i in $(seq 1 500); do echo \"SET k$i v$i\"; done; "
      "printf '*2\\r\\n$4\\r\\nINCR\\r\\n$1\\r\\nn\\r\\n'; } | "
      "redis-cli -s " +
      path_ + " --pipe";
  const std::string said = say({"sh", "-c", script});
  EXPECT_NE(said.find("errors: 0, replies: 501"), std::string::npos) << said;
  EXPECT_EQ(cli({"DBSIZE"}), "501\n");
}

TEST_P(KvToolsTest, RedisBenchmarkIsContent) {
  Process benchmark({"/usr/bin/env", "redis-benchmark", "-s", path_, "-c", "50", "-P", "16", "-n",
                     "20000", "-q", "-t",
                     "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,lrange_100,mset"});
  EXPECT_EQ(benchmark.wait(Deadline::in(120s)), 0) << benchmark.out() << benchmark.err();
  EXPECT_EQ((benchmark.out() + benchmark.err()).find("rror"), std::string::npos);
}

TEST(KvProgramTest, SaysWhatIsWrong) {
  const Outcome wrong = run({program("handoff-kv-1"), "--listen", "nonsense"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.err.find("nonsense"), std::string::npos) << wrong.err;
  EXPECT_EQ(run({program("handoff-kv-1"), "--nonsense"}).status, 2);
}

}  // namespace
}  // namespace handoff::test
