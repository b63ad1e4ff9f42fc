// The systemd units of contrib/systemd have every setting on which a service's life depends.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "supervisor/core/unit.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

using Settings = std::map<std::string, std::string>;  // "Section.Key"

Settings unit(const std::string& name) {
  const std::string text =
      test::read_file(std::string(SOURCE_DIR) + "/contrib/systemd/" + name + ".in");
  EXPECT_NE(text, "") << name;
  std::istringstream lines(text);
  Settings out;
  std::string section;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos) continue;
    out[section + "." + line.substr(0, equals)] = line.substr(equals + 1);
  }
  return out;
}

class UnitFilesTest : public testing::TestWithParam<const char*> {
 protected:
  std::string at(const std::string& key) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? "" : found->second;
  }
  const Settings settings_ = unit(std::string(GetParam()) + ".service");
};

TEST_P(UnitFilesTest, NoEndOfTheSupervisorIsTheEndOfItsServices) {
  const UnitSettings settings = {
      .name = GetParam(),
      .kill_mode = at("Service.KillMode"),
      .restart = at("Service.Restart"),
      .oom_policy = at("Service.OOMPolicy"),
      .runtime_preserve = at("Service.RuntimeDirectoryPreserve"),
      .runtime_dirs = {{at("Service.RuntimeDirectory")}},
      .fd_store_max = static_cast<std::uint32_t>(std::stoul(at("Service.FileDescriptorStoreMax"))),
      .start_limit_us = std::stoull(at("Unit.StartLimitIntervalSec"))};
  const std::string folder = at("Service.RuntimeDirectory");
  for (const std::string& fault : unit_faults(settings, 1000, "/run/" + folder)) {
    ADD_FAILURE() << fault;
  }
  EXPECT_EQ(at("Service.Type"), "notify");
  EXPECT_NE(at("Service.Environment").find("HANDOFF_RUNTIME_DIR="), std::string::npos);
  EXPECT_FALSE(settings_.contains("Service.WatchdogSec"));
}

// Two processes of a service, one from before a restart of the supervisor, must see the same files.
TEST_P(UnitFilesTest, NoneGetsFoldersOfItsOwn) {
  for (const char* setting : {"PrivateTmp", "PrivateDevices", "PrivateNetwork", "PrivateMounts",
                              "DynamicUser", "RootDirectory", "TemporaryFileSystem"}) {
    EXPECT_FALSE(settings_.contains(std::string("Service.") + setting)) << setting;
  }
}

TEST_P(UnitFilesTest, ThereIsTimeToSayHowLongTheDrainsTake) {
  EXPECT_GE(std::stoi(at("Service.TimeoutStopSec")), 90);
}

INSTANTIATE_TEST_SUITE_P(Of, UnitFilesTest, testing::Values("handoff", "handoff@", "handoff-user"),
                         [](const auto& one) {
                           const std::string name = one.param;
                           return name == "handoff"    ? "System"
                                  : name == "handoff@" ? "Instance"
                                                       : "User";
                         });

}  // namespace
}  // namespace handoff::supervisor
