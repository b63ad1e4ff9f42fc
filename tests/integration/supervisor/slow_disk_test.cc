// A disk that takes its time: whoever reads a file whole waits at the failpoint
// supervisor.digest.before for as long as the test likes. Operators are answered meanwhile.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/deadline.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;

class SlowDiskTest : public SupervisorTest {
 protected:
  // From here on, whoever begins to digest a file waits until the disk is quick again.
  void slow() { disk.emplace(listen_unix(held, SOCK_SEQPACKET)); }
  bool somebody_waits() const { return readable(disk->get()); }
  // Whoever waits goes on, and nobody waits any more.
  void quick() { disk.reset(); }

  static std::string service(const std::string& name) {
    return "[service." + name + "]\ncommand = [\"" + fake_service() +
           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  void start() {
    write_file(config, service("chat"));
    supervisor.start(
        configured(config, {{"HANDOFF_FAILPOINT", "supervisor.digest.before@1+=ask:" + held}}));
    supervisor.settle();
  }

  const std::string config = supervisor.dir() / "handoff.toml";
  const std::string held = supervisor.dir() / "held";
  std::optional<UniqueFd> disk;
};

TEST_F(SlowDiskTest, UnderANewServiceHoldsUpNobodyElse) {
  start();
  slow();
  write_file(config, service("chat") + service("kv"));
  const auto reload = supervisor.begin({"reload"});
  ASSERT_TRUE(somebody_waits());
  EXPECT_EQ(supervisor.status("chat").at("state"), "running");
  EXPECT_EQ(supervisor.command({"status", "kv"}).status, 4) << "nothing is changed yet";
  const auto self = supervisor.command({"upgrade", "--self"});
  EXPECT_EQ(self.status, 1);
  EXPECT_NE(self.err.find("a reload is under way"), std::string::npos) << self.err;
  // What is asked for meanwhile has its turn, with the file as it is then.
  const auto second = supervisor.begin({"reload"});
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_TRUE(reload->running());
  EXPECT_TRUE(second->running());
  write_file(config, service("chat") + service("kv") + service("third"));
  quick();
  const auto first = reload->finish();
  EXPECT_EQ(first.status, 0) << first.describe();
  EXPECT_NE(first.out.find("kv: new: it is started"), std::string::npos) << first.out;
  EXPECT_EQ(first.out.find("third"), std::string::npos) << first.out;
  const auto then = second->finish();
  EXPECT_EQ(then.status, 0) << then.describe();
  EXPECT_NE(then.out.find("third: new: it is started"), std::string::npos) << then.out;
  supervisor.wait_for_state("running", "kv");
  supervisor.wait_for_state("running", "third");
}

TEST_F(SlowDiskTest, UnderANewServiceOfASupervisorThatIsStopped) {
  start();
  slow();
  write_file(config, service("chat") + service("kv"));
  const auto reload = supervisor.begin({"reload"});
  ASSERT_TRUE(somebody_waits());
  supervisor.process().signal(SIGTERM);
  supervisor.wait_for_state("stopped");
  quick();
  const auto refused = reload->finish();
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_NE(refused.err.find("the supervisor is stopping"), std::string::npos) << refused.err;
  EXPECT_EQ(supervisor.process().finish().status, 0);
}

}  // namespace
}  // namespace handoff::test
