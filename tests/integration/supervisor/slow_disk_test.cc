// A disk that takes its time: whoever reads a file waits at a failpoint for as long as the test
// likes. Operators are answered meanwhile.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

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
  // From here on, whoever comes to the point waits until the disk is quick again.
  void slow() { disk.emplace(listen_unix(held, SOCK_SEQPACKET)); }
  bool somebody_waits() const { return readable(disk->get()); }
  // Takes in one who waits; he goes on waiting.
  bool one_more_waits() {
    if (!somebody_waits()) return false;
    waiting.emplace_back(::accept(disk->get(), nullptr, nullptr));
    return waiting.back().valid();
  }
  // Whoever waits goes on, and nobody waits any more.
  void quick() {
    disk.reset();
    waiting.clear();
  }

  static std::string service(const std::string& name) {
    return "[service." + name + "]\ncommand = [\"" + fake_service() +
           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  void start(const std::string& point = "supervisor.digest.before",
             const std::string& services = service("chat")) {
    write_file(config, services);
    supervisor.start(configured(config, {{"HANDOFF_FAILPOINT", point + "@1+=ask:" + held},
                                         {"UV_THREADPOOL_SIZE", std::to_string(kThreads)}}));
    supervisor.settle();
  }

  static constexpr int kThreads = 2;  // that open programs
  const std::string config = supervisor.dir() / "handoff.toml";
  const std::string held = supervisor.dir() / "held";
  std::optional<UniqueFd> disk;
  std::vector<UniqueFd> waiting;
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

TEST_F(SlowDiskTest, UnderTheNextSupervisorHoldsUpNobody) {
  start("supervisor.self.opening");
  slow();
  const auto self = supervisor.begin({"upgrade", "--self", "/bin/true"});
  ASSERT_TRUE(somebody_waits());
  EXPECT_EQ(supervisor.status("chat").at("state"), "running");
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_TRUE(self->running());
  quick();
  const auto refused = self->finish();
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_NE(refused.err.find("does not say that it is a handoff"), std::string::npos)
      << refused.err;
}

TEST_F(SlowDiskTest, UnderTheNextSupervisorIsNotWaitedForForGood) {
  start("supervisor.self.opening");
  slow();
  const auto refused = supervisor.command({"upgrade", "--self", "/bin/true"});
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_NE(refused.err.find("did not end its check within 10"), std::string::npos) << refused.err;
  quick();
  EXPECT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
}

// Not even its digest is needed.
TEST_F(SlowDiskTest, ReadsNoProgramOfTheNextSupervisorWhole) {
  start();
  slow();
  const auto refused = supervisor.command({"upgrade", "--self", "/bin/true"});
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_NE(refused.err.find("does not say that it is a handoff"), std::string::npos)
      << refused.err;
}

// A file server that is gone.
TEST_F(SlowDiskTest, OnAllThreadsThatOpenProgramsLeavesTheStateFileAndTheHistoryAlone) {
  start("supervisor.digest.before", service("chat") + service("kv") + service("third"));
  slow();
  const auto kv = supervisor.begin({"upgrade", "kv"});
  const auto third = supervisor.begin({"upgrade", "third"});
  for (int i = 0; i < kThreads; ++i) ASSERT_TRUE(one_more_waits()) << i;
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0) << "in the history, and saved";
  EXPECT_TRUE(kv->running());
  EXPECT_TRUE(third->running());
  quick();
  EXPECT_EQ(kv->finish().status, 0);
  EXPECT_EQ(third->finish().status, 0);
}

}  // namespace
}  // namespace handoff::test
