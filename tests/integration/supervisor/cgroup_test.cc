// What a service leaves where the supervisor's cgroup has been delegated to it (cgroup v2).
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/small_disk.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class CgroupTest : public SupervisorTest {
 protected:
  void SetUp() override {
    SmallDisk::keep_to_this_process();
    ASSERT_EQ(::mount("none", mount_.path().c_str(), "cgroup2", 0, nullptr), 0) << errno;
    fs::create_directory(unit_);
    // As systemd does for Delegate=.
    ASSERT_EQ(::setxattr(unit_.c_str(), "user.delegate", "1", 1, 0), 0) << errno;
    // With a session, a parent and an environment that tell nothing of the service.
    const std::string script = supervisor.dir() / "start";
    write_file(script,
               "#!/bin/sh\nsetsid -f env -i sleep 1000\nexec " + fake_service() + " \"$@\"\n",
               0755);
    supervisor.start({.command = {script},
                      .name = "chat",
                      .wrapper = {"/bin/sh", "-c",
                                  "echo $$ > " + unit_ + "/cgroup.procs && exec \"$@\"", "sh"}});
    left_ = hold(child());
    ASSERT_TRUE(left_.valid());
  }
  void TearDown() override {
    SupervisorTest::TearDown();
    EXPECT_EQ(supervisor.terminate().status, 0);
    EXPECT_EQ(cgroups(), (std::set<std::string>{})) << "they end with what is in them";
    std::error_code busy;
    EXPECT_TRUE(fs::remove(unit_, busy)) << busy.message();
    ::umount2(mount_.path().c_str(), MNT_DETACH);
  }

  pid_t child() const {
    const json status = supervisor.wait_for_status([](const json& now) {
      const json& children = now.at("children");
      return children.is_array() && children.size() == 1 && children.at(0).at("count") == 1;
    });
    return status.at("children").at(0).at("processes").at(0).at("pid");
  }
  std::set<std::string> cgroups() const {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(unit_)) {
      if (entry.is_directory()) out.insert(entry.path().filename());
    }
    return out;
  }
  void wait_for_generation(int generation) const {
    supervisor.wait_for_status([generation](const json& now) {
      return now.at("state") == "running" && now.at("generation") == generation;
    });
  }

  TempDir mount_;
  const std::string unit_ = mount_ / ("handoff-test-" + std::to_string(::getpid()));
  UniqueFd left_;
};

TEST_F(CgroupTest, OneThatHidesIsEndedAfterACrash) {
  EXPECT_EQ(cgroups(), (std::set<std::string>{"handoff-chat-1"}));
  ::kill(supervisor.service_pid(), SIGKILL);
  wait_for_generation(2);
  EXPECT_TRUE(wait_end(left_, Deadline::in({})));
  EXPECT_TRUE(
      supervisor.eventually([&] { return cgroups() == std::set<std::string>{"handoff-chat-2"}; }));
}

TEST_F(CgroupTest, TheNextSupervisorKnowsItToo) {
  const UniqueFd service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.start_again();
  EXPECT_TRUE(wait_end(left_, Deadline::in({})));
}

TEST_F(CgroupTest, AnUpgradeLeavesItAndAStopEndsIt) {
  ASSERT_EQ(supervisor.command({"upgrade", "chat", fake_service()}).status, 0);
  supervisor.settle();
  EXPECT_FALSE(wait_end(left_, Deadline::in({})));
  EXPECT_EQ(cgroups(), (std::set<std::string>{"handoff-chat-1", "handoff-chat-2"}));
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(left_, Deadline::in({})));
}

}  // namespace
}  // namespace handoff::test
