// Programs that the kernel starts with more rights than the supervisor has: setuid, or with file
// capabilities. libhandoff believes no supervisor there. So `check`, the log at the start and the
// service itself name the file, and say what helps.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;
const std::vector<std::string> kAsStranger{"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                                           "--clear-groups"};

class SecureExecTest : public SupervisorTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "only root can make files setuid, and act as another user";
    fs::copy_file(program("handoff-echo-1"), file_);
    ASSERT_EQ(::chmod(supervisor.dir().path().c_str(), 0755), 0);
    fs::create_directory(supervisor.runtime());
    ASSERT_EQ(::chmod(supervisor.runtime().c_str(), 0700), 0);
  }
  void make_setuid() {
    ASSERT_EQ(::chown(file_.c_str(), kStranger, 0), 0);
    ASSERT_EQ(::chmod(file_.c_str(), 04755), 0);
  }
  // As `setcap cap_net_bind_service=ep` does.
  void give_capabilities() {
    struct vfs_cap_data data {};
    data.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
    data.data[0].permitted = 1U << CAP_NET_BIND_SERVICE;
    ASSERT_EQ(::setxattr(file_.c_str(), "security.capability", &data, XATTR_CAPS_SZ_2, 0), 0);
    ASSERT_EQ(::chown(supervisor.runtime().c_str(), kStranger, kStranger), 0);
  }
  std::string config() const {
    const std::string path = supervisor.dir() / "handoff.toml";
    // Without a supervisor the service binds a port of its own.
    write_file(path, "[service.chat]\ncommand = [\"" + file_ +
                         "\", \"--listen\", \"tcp:127.0.0.1:0\"]\n"
                         "listen = { public = \"tcp:127.0.0.1:0\" }\n"
                         "drain = \"100ms\"\nstart_timeout = \"60s\"\n");
    return path;
  }
  std::unique_ptr<Process> handoff(std::vector<std::string> arguments,
                                   const std::vector<std::string>& wrapper = {}) const {
    arguments.insert(arguments.begin(), program("handoff"));
    arguments.insert(arguments.begin(), wrapper.begin(), wrapper.end());
    return std::make_unique<Process>(arguments,
                                     Environment{{"HANDOFF_RUNTIME_DIR", supervisor.runtime()}});
  }
  // Runs it, and expects that all three say so.
  void expect_named(const std::string& why, const std::string& helps,
                    const std::vector<std::string>& wrapper) {
    const Outcome check = handoff({"check", "--config", config()}, wrapper)->finish();
    EXPECT_EQ(check.status, 0) << check.describe();
    EXPECT_NE(check.out.find("note: "), std::string::npos) << check.describe();
    EXPECT_NE(check.out.find(file_ + " " + why), std::string::npos) << check.describe();
    EXPECT_NE(check.out.find(helps), std::string::npos) << check.describe();
    const auto runs = handoff({"run", "--config", config()}, wrapper);
    EXPECT_TRUE(runs->wait_for_output("generation 1: " + file_ + " " + why)) << runs->err();
    EXPECT_TRUE(runs->wait_for_output("handoff: " + file_ + " runs with rights")) << runs->err();
    EXPECT_NE(runs->err().find(helps), std::string::npos) << runs->err();
    const Supervisor::Outcome status = supervisor.command({"status", "--json"});
    ASSERT_EQ(status.status, 0) << status.describe() << "root asks the supervisor of another user";
    EXPECT_EQ(status.events().at(0).at("services").at(0).at("state"), "starting");
    runs->signal(SIGTERM);
    EXPECT_EQ(runs->wait(), 0);
  }

  std::string file_ = supervisor.dir() / "chat-1.0";
};

TEST_F(SecureExecTest, ASetuidServiceIsNamed) {
  make_setuid();
  expect_named("is setuid to uid 65534", "chmod u-s", {});
}

TEST_F(SecureExecTest, AServiceWithFileCapabilitiesIsNamed) {
  give_capabilities();
  expect_named("has file capabilities", "AmbientCapabilities=", kAsStranger);
}

// Of a script the kernel looks at the interpreter.
TEST_F(SecureExecTest, TheInterpreterOfAScriptIsNamed) {
  make_setuid();
  const std::string script = supervisor.dir() / "script";
  write_file(script, "#!" + file_ + "\n", 0755);
  const std::string path = supervisor.dir() / "handoff.toml";
  write_file(path, "[service.chat]\ncommand = [\"" + script + "\"]\n");
  const Outcome check = handoff({"check", "--config", path})->finish();
  EXPECT_NE(check.out.find(file_ + " is setuid"), std::string::npos) << check.describe();
}

// Where the kernel gives no rights, nothing is amiss.
TEST_F(SecureExecTest, NothingIsSaidWhereNothingIsGained) {
  const auto notes = [this](const std::vector<std::string>& wrapper = {}) {
    const Outcome check = handoff({"check", "--config", config()}, wrapper)->finish();
    EXPECT_EQ(check.status, 0) << check.describe();
    // Other notes tell who may write to which folder.
    return check.out.find(": " + file_) == std::string::npos ? "" : check.out;
  };
  EXPECT_EQ(notes(), "");
  ASSERT_EQ(::chmod(file_.c_str(), 04755), 0);
  EXPECT_EQ(notes(), "") << "it is setuid to root, who starts it";
  give_capabilities();
  EXPECT_EQ(notes(), "") << "root has them";
  EXPECT_NE(notes(kAsStranger), "");
  auto wrapper = kAsStranger;
  wrapper.emplace_back("--no-new-privs");
  EXPECT_EQ(notes(wrapper), "") << "the kernel gives nobody anything";
}

// What is verified runs from a copy in memory.
TEST_F(SecureExecTest, NothingIsSaidOfAFileThatIsVerified) {
  make_setuid();
  const std::string key = supervisor.dir() / "k.pub";
  shell("minisign -G -W -f -p " + key + " -s " + (supervisor.dir() / "k.key"));
  shell("minisign -S -s " + (supervisor.dir() / "k.key") + " -t 'service=chat version=1.0' -m " +
        file_);
  const std::string path = config();
  write_file(path, read_file(path) + "verify = { key = \"" + key + "\" }\n");
  const Outcome check = handoff({"check", "--config", path})->finish();
  EXPECT_EQ(check.status, 0) << check.describe();
  EXPECT_EQ(check.out.find("is setuid"), std::string::npos) << check.describe();
  const auto runs = handoff({"run", "--config", path});
  ASSERT_TRUE(runs->wait_for_output("chat: running: generation 1")) << runs->err();
  EXPECT_EQ(runs->err().find("AT_SECURE"), std::string::npos) << runs->err();
  runs->signal(SIGTERM);
  EXPECT_EQ(runs->wait(), 0);
}

// The way that is advised: the service has the capability, and its supervisor.
TEST_F(SecureExecTest, AmbientCapabilitiesReachAServiceThatIsHandedOver) {
  ASSERT_EQ(::chown(supervisor.runtime().c_str(), kStranger, kStranger), 0);
  auto wrapper = kAsStranger;
  wrapper.insert(wrapper.end(),
                 {"--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"});
  const auto runs = handoff({"run", "--config", config()}, wrapper);
  ASSERT_TRUE(runs->wait_for_output("chat: running: generation 1")) << runs->err();
  const Supervisor::Outcome upgrade = supervisor.command({"upgrade", "chat", "--json", file_});
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
  const std::string status =
      read_file("/proc/" + std::to_string(supervisor.status().at("pid").get<pid_t>()) + "/status");
  EXPECT_NE(status.find("CapEff:\t0000000000000400"), std::string::npos) << status;
  runs->signal(SIGTERM);
  EXPECT_EQ(runs->wait(), 0);
}

}  // namespace
}  // namespace handoff::test
