// A history that is not the supervisor's to write: services are worth more than what is told of
// them.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;

// A service that links the library: it comes back to the next supervisor.
std::string echo() { return program("handoff-echo-1"); }

class BadHistoryTest : public SupervisorTest {
 protected:
  void run_service() {
    const std::string config = supervisor.dir() / "handoff.toml";
    write_file(config, "history = \"required\"\n[service.chat]\ncommand = [\"" + echo() +
                           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n");
    supervisor.start({.name = "chat", .file = config});
  }
  // An upgrade would be in no history, and is refused; a new supervisor mends what is wrong.
  void expect_no_history() {
    const Outcome upgrade = supervisor.command({"upgrade", "chat", echo()});
    EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
    EXPECT_NE(upgrade.err.find(history), std::string::npos) << upgrade.describe();
    const Outcome self = supervisor.command({"upgrade", "--self"});
    EXPECT_EQ(self.status, 0) << self.describe();
  }

  const std::string history = supervisor.runtime() + "/history.jsonl";
};

// A living service would stay without a supervisor.
TEST_F(BadHistoryTest, OneThatIsALinkIsNotFollowedAndKeepsNobodyFromStarting) {
  const std::string victim = supervisor.dir() / "victim";
  const std::string nothing = supervisor.dir() / "nothing";
  write_file(victim, "precious");
  run_service();
  for (const std::string& target : {victim, nothing}) {
    const json before = supervisor.status();
    supervisor.kill();
    fs::remove(history);
    fs::create_symlink(target, history);
    run_service();
    EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
    EXPECT_TRUE(supervisor.says(history + " is a symbolic link, so nothing is written there"));
    expect_no_history();
  }
  EXPECT_EQ(read_file(victim), "precious");
  EXPECT_FALSE(fs::exists(nothing));
  fs::remove(history);
  EXPECT_EQ(supervisor.command({"upgrade", "chat", echo()}).status, 0) << "it is looked at again";
}

TEST_F(BadHistoryTest, NorDoesOneOfAnotherUserOrOneThatIsNoFile) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can give a file away";
  run_service();
  const json before = supervisor.status();
  ASSERT_EQ(::chown(history.c_str(), kStranger, kStranger), 0);
  const std::string said = read_file(history);
  supervisor.kill();
  run_service();
  EXPECT_TRUE(supervisor.says(history + " belongs to uid " + std::to_string(kStranger)));
  expect_no_history();
  EXPECT_EQ(read_file(history), said);
  supervisor.kill();
  fs::remove(history);
  ASSERT_EQ(::mkfifo(history.c_str(), 0600), 0);
  run_service();
  EXPECT_TRUE(supervisor.says(history + " is no file, so nothing is written there"));
  expect_no_history();
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
}

}  // namespace
}  // namespace handoff::test
