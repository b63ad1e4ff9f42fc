// The systemd unit of docs/operations.md has every setting on which a service's life depends.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "supervisor/core/time.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

using Settings = std::map<std::string, std::string>;  // "Section.Key"

Settings unit() {
  const std::string text = test::read_file(std::string(SOURCE_DIR) + "/docs/operations.md");
  const std::string begin = "```ini\n# /etc/systemd/system/handoff.service\n";
  const std::size_t at = text.find(begin);
  EXPECT_NE(at, std::string::npos);
  std::istringstream lines(text.substr(at + begin.size(), text.find("```", at + 3) - at));
  Settings out;
  std::string section;
  for (std::string line; std::getline(lines, line) && line != "```";) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos) continue;
    out[section + "." + line.substr(0, equals)] = line.substr(equals + 1);
  }
  return out;
}

TEST(UnitDocsTest, NoEndOfTheSupervisorIsTheEndOfItsServices) {
  const Settings settings = unit();
  const Settings expected = {{"Unit.StartLimitIntervalSec", "0"},
                             {"Service.Type", "notify"},
                             {"Service.KillMode", "process"},
                             {"Service.Restart", "always"},
                             {"Service.RuntimeDirectoryPreserve", "yes"},
                             {"Service.OOMPolicy", "continue"}};
  for (const auto& [key, value] : expected) {
    ASSERT_TRUE(settings.contains(key)) << key;
    EXPECT_EQ(settings.at(key), value) << key;
  }
}

TEST(UnitDocsTest, TheUnitRunsWhatTheReadmeInstalls) {
  const std::string readme = test::read_file(std::string(SOURCE_DIR) + "/README.md");
  const std::string option = "cmake --install build/release --strip --prefix ";
  const std::size_t at = readme.find(option);
  ASSERT_NE(at, std::string::npos);
  const std::size_t begin = at + option.size();
  const std::string program =
      readme.substr(begin, readme.find_first_of(" \n", begin) - begin) + "/bin/handoff";
  const Settings settings = unit();
  EXPECT_EQ(settings.at("Service.ExecStart"), program + " run --config /etc/handoff/handoff.toml");
  EXPECT_EQ(settings.at("Service.ExecReload"), program + " reload");
}

TEST(UnitDocsTest, ThereIsTimeForTheDrainAndRoomForTheListeners) {
  const Settings settings = unit();
  const auto stop = std::chrono::seconds(std::stoi(settings.at("Service.TimeoutStopSec")));
  // SIGKILL comes two seconds after the drain.
  EXPECT_GT(stop, Timeouts{}.drain + std::chrono::seconds(2));
  EXPECT_GE(std::stoi(settings.at("Service.FileDescriptorStoreMax")), 1000);
}

}  // namespace
}  // namespace handoff::supervisor
