// What a service is given as its environment: what is documented, and nothing else.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "support/process/proc.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;

std::string echo() { return program("handoff-echo-1"); }

// What operations.md says of the environment, and nothing else.
TEST(GivenEnvironmentTest, IsWhatIsDocumented) {
  const std::map<std::string, std::string> withheld{{"NOTIFY_SOCKET", "/nowhere/notify"},
                                                    {"WATCHDOG_USEC", "1000000"},
                                                    {"WATCHDOG_PID", "1"},
                                                    {"LISTEN_FDS", "0"},
                                                    {"LISTEN_PID", "1"},
                                                    {"LISTEN_FDNAMES", "x"},
                                                    {"HANDOFF_KEPT", "1:x=3,"},
                                                    {"HANDOFF_FD", "99"},
                                                    {"HANDOFF_PID", "1"},
                                                    {"HANDOFF_SERVICE", "other"},
                                                    {"HANDOFF_RETURN", "/nowhere"},
                                                    {"HANDOFF_MAILBOX", "none"},
                                                    {"HANDOFF_MARK", "other 7 /nowhere"},
                                                    {"HANDOFF_GENERATION", "7"}};
  Environment given = withheld;
  given["PASSES"] = "as it is";
  given["REPLACED"] = "of the supervisor";
  Supervisor supervisor;
  given["HANDOFF_STATE_DIR"] = supervisor.dir() / "state";
  supervisor.start({.command = {echo()},
                    .name = "chat",
                    .environment = given,
                    .config = "env = { REPLACED = \"of the config\", NEW = \"x=y\" }\n"});

  std::multiset<std::string> passing;
  for (const std::string& variable : environment_of(supervisor.pid())) {
    const std::string name = variable.substr(0, variable.find('='));
    const bool folder = name == "HANDOFF_RUNTIME_DIR" || name == "HANDOFF_STATE_DIR";
    if (!withheld.contains(name) && !folder && name != "REPLACED") passing.insert(variable);
  }
  EXPECT_TRUE(passing.contains("PASSES=as it is"));
  passing.insert({"REPLACED=of the config", "NEW=x=y", "HANDOFF_SERVICE=chat",
                  "HANDOFF_RETURN=" + supervisor.runtime() + "/services.sock"});

  for (int generation = 1; generation <= 3; ++generation) {
    const json status = supervisor.status();
    ASSERT_EQ(status.at("generation"), generation);
    const pid_t pid = status.at("pid");
    std::multiset<std::string> found = environment_of(pid);
    std::string control;
    std::string mailbox;
    for (const std::string& variable : found) {
      if (variable.starts_with("HANDOFF_FD=")) control = variable;
      if (variable.starts_with("HANDOFF_MAILBOX=")) mailbox = variable;
    }
    EXPECT_EQ(mailbox.size(), std::string("HANDOFF_MAILBOX=").size() + 65) << mailbox;
    EXPECT_GT(std::stoi(control.substr(control.find('=') + 1)), 2);
    std::multiset<std::string> expected = passing;
    expected.insert({control, mailbox, "HANDOFF_PID=" + std::to_string(pid),
                     "HANDOFF_MARK=chat " + std::to_string(generation) + " " +
                         supervisor.runtime() + "/services.sock",
                     "HANDOFF_GENERATION=" + std::to_string(generation)});
    EXPECT_EQ(found, expected) << "generation " << generation;
    if (generation == 2) {
      // Its successor's environment has what it was passed.
      ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
    }
    ASSERT_EQ(supervisor.command({"upgrade", "chat", echo()}).status, 0) << supervisor.log();
  }
}

// A service that gives commands is told where, if the configuration says so.
TEST(GivenEnvironmentTest, HasTheSupervisorsFoldersWhereTheyAreAskedFor) {
  Supervisor supervisor;
  const std::string runtime = supervisor.runtime();
  const std::string state = supervisor.dir() / "state";
  supervisor.start({.command = {echo()},
                    .name = "chat",
                    .environment = {{"HANDOFF_STATE_DIR", state}},
                    .config = "env = { HANDOFF_RUNTIME_DIR = \"" + runtime +
                              "\", HANDOFF_STATE_DIR = \"" + state + "\" }\n"});
  const auto found = environment_of(supervisor.service_pid());
  EXPECT_EQ(found.count("HANDOFF_RUNTIME_DIR=" + runtime), 1U);
  EXPECT_EQ(found.count("HANDOFF_STATE_DIR=" + state), 1U);
}

}  // namespace
}  // namespace handoff::test
