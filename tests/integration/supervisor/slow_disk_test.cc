// A disk, or a directory of users, that takes its time: whoever reads waits at a failpoint for as
// long as the test likes. Operators are answered meanwhile.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

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
  // All that wait at the failpoint go on, and nothing waits there any more.
  void quick() {
    disk.reset();
    waiting.clear();
  }

  static std::string service(const std::string& name) {
    return "[service." + name + "]\ncommand = [\"" + fake_service() +
           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  Environment environment(const std::string& point = "supervisor.digest.before") const {
    return {{"HANDOFF_FAILPOINT", point + "@1+=ask:" + held},
            {"UV_THREADPOOL_SIZE", std::to_string(threads)}};
  }
  void start(const std::string& point = "supervisor.digest.before",
             const std::string& services = service("chat")) {
    write_file(config, services);
    supervisor.start(configured(config, environment(point)));
    supervisor.settle();
  }

  // Comes back to the next supervisor.
  const std::string echo_service =
      "[service.chat]\ncommand = [\"" + program("handoff-echo-1") +
      "\", \"--name\", \"chat\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  int threads = 2;  // that open programs
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
  for (int i = 0; i < threads; ++i) ASSERT_TRUE(one_more_waits()) << i;
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0) << "in the history, and saved";
  EXPECT_TRUE(kv->running());
  EXPECT_TRUE(third->running());
  quick();
  EXPECT_EQ(kv->finish().status, 0);
  EXPECT_EQ(third->finish().status, 0);
}

TEST_F(SlowDiskTest, UnderAServiceThatNoStateFileTellsOfHoldsUpNobodyElse) {
  start("supervisor.digest.before", echo_service);
  const pid_t pid = supervisor.service_pid();
  supervisor.kill();
  ASSERT_EQ(::unlink((supervisor.runtime() + "/state.json").c_str()), 0);
  slow();
  supervisor.run({"--config", config}, environment());
  ASSERT_TRUE(somebody_waits());
  supervisor.wait_for_state("adopting");
  const auto refused = supervisor.command({"restart", "chat"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("is waited for"), std::string::npos) << refused.err;
  quick();
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status("chat").at("pid"), pid);
}

// ---- a directory of users that takes its time (LDAP)

TEST_F(SlowDiskTest, OfADirectoryOfUsersHoldsUpNobodyElseInAReload) {
  start("supervisor.owner.before");
  slow();
  const std::string socket = supervisor.dir() / "s";
  write_file(config, service("chat") + "[service.kv]\ncommand = [\"" + fake_service() +
                         "\"]\nlisten.a = { address = \"unix:" + socket +
                         "\", owner = \"root\" }\n");
  const auto reload = supervisor.begin({"reload"});
  ASSERT_TRUE(somebody_waits());
  EXPECT_EQ(supervisor.status("chat").at("state"), "running");
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_TRUE(reload->running());
  quick();
  const auto done = reload->finish();
  EXPECT_EQ(done.status, 0) << done.describe();
  supervisor.wait_for_state("running", "kv");
  EXPECT_EQ(::access(socket.c_str(), F_OK), 0);
}

// Seen: each attempt of one service asked on the loop.
TEST_F(SlowDiskTest, OfADirectoryOfUsersHoldsUpNobodyElseWhereAUserIsMissing) {
  write_file(config, service("chat") + "[service.kv]\ncommand = [\"" + fake_service() +
                         "\"]\nlisten.a = { address = \"unix:" + (supervisor.dir() / "s") +
                         "\", owner = \"nobody-of-that-name\" }\n");
  supervisor.run({"--config", config}, environment("supervisor.owner.before"));
  supervisor.wait_for_state("running", "chat");
  supervisor.wait_for_state("backoff", "kv");
  slow();
  ASSERT_TRUE(somebody_waits()) << "the next attempt asks again";
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  quick();
  supervisor.wait_for_state("backoff", "kv");
  EXPECT_TRUE(supervisor.says("listener a: there is no user \"nobody-of-that-name\""));
}

// As a supervisor before file marks has written it, or as a file that was touched since looks.
void forget_marks(json& in) {
  if (in.is_object()) in.erase("mark");
  for (json& one : in) {
    if (one.is_structured()) forget_marks(one);
  }
}

class NextSupervisorTest : public SlowDiskTest {
 protected:
  void SetUp() override {
    threads = 4;  // two of them wait, and some are left
    start("supervisor.digest.before", echo_service);
    const auto upgraded =
        supervisor.command({"upgrade", "chat", program("handoff-echo-2"), "--probation", "1h"});
    ASSERT_EQ(upgraded.status, 0) << upgraded.describe();
    service_was = supervisor.service_pid();
    supervisor.settle();
    supervisor.kill();
    const std::string path = supervisor.runtime() + "/state.json";
    json state = json::parse(read_file(path));
    forget_marks(state);
    write_file(path, state.dump(), 0600);
    slow();
    supervisor.start_again();
    ASSERT_TRUE(somebody_waits());
  }
  pid_t service_was = 0;
};

TEST_F(NextSupervisorTest, AdoptsAndAnswersBeforeProgramsAreOpen) {
  const json status = supervisor.status("chat");
  EXPECT_EQ(status.at("state"), "running");
  EXPECT_EQ(status.at("pid"), service_was);
  EXPECT_EQ(status.at("release"), "2.0");
  EXPECT_EQ(status.at("standing"), "provisional");
  EXPECT_EQ(status.at("back").at("release"), "1.0");
  EXPECT_EQ(supervisor.command({"commit", "chat"}).status, 0);
  EXPECT_TRUE(status.at("kept").is_null()) << "nobody knows yet";
  quick();
  EXPECT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status("chat").at("release"), "1.0");
}

TEST_F(NextSupervisorTest, StartsAgainWhatRanOnceItIsOpen) {
  kill_and_wait(hold(service_was));
  supervisor.wait_for_status([](const json& now) { return now.at("pid").is_null(); });
  quick();
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status("chat").at("release"), "1.0") << "which is permanent";
}

TEST_F(NextSupervisorTest, MayBeReplacedMeanwhile) {
  EXPECT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  EXPECT_EQ(supervisor.status("chat").at("pid"), service_was);
  quick();
  EXPECT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status("chat").at("release"), "1.0");
}

}  // namespace
}  // namespace handoff::test
