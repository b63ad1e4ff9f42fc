// The documents about the configuration are true: the table in docs/operations.md and the commented
// handoff.toml of each example name every key, with its real default.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>
#include <sstream>

#include "supervisor/config/config.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

const std::string kSource = SOURCE_DIR;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

ServiceConfig only_service(const std::string& text, const std::string& what) {
  const auto config = parse_config(text, what);
  EXPECT_TRUE(config) << config.error().message;
  if (!config || config->services.size() != 1) return {};
  return config->services.front();
}

std::vector<std::string> examples() {
  std::vector<std::string> out;
  for (const auto& folder : std::filesystem::directory_iterator(kSource + "/examples")) {
    if (std::filesystem::exists(folder.path() / "README.md")) out.push_back(folder.path());
  }
  return out;
}

TEST(ConfigDocsTest, EveryKeyIsInTheTable) {
  const std::string text = test::read_file(kSource + "/docs/operations.md");
  for (const std::string& key : config_keys()) {
    EXPECT_NE(text.find("\n| `" + key + "` |"), std::string::npos) << key;
  }
}

TEST(ConfigDocsTest, SoAreThoseOfTheSupervisorItselfWithTheirDefaults) {
  const std::string text = test::read_file(kSource + "/docs/operations.md");
  for (const std::string& key : supervisor_keys()) {
    std::smatch found;
    ASSERT_TRUE(std::regex_search(text, found, std::regex("\n\\| `" + key + "` \\| `([^`]+)` \\|")))
        << key;
    const auto config = parse_config(
        key + " = " + found[1].str() + "\n[service.chat]\ncommand = [\"/opt/chat\"]\n", key);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->history, HistoryConfig{}) << key;
    for (const std::string& folder : examples()) {
      EXPECT_NE(
          test::read_file(folder + "/handoff.toml").find("\n#" + key + " = " + found[1].str()),
          std::string::npos)
          << folder << key;
    }
  }
}

TEST(ConfigDocsTest, TheDefaultsInTheTableAreTheDefaults) {
  const std::string head = "[service.chat]\ncommand = [\"/opt/chat\"]\n";
  const ServiceConfig defaults = only_service(head, "the defaults");
  const std::regex row("\\| `([a-z_.]+)` \\| `([^`]+)` \\|.*");
  int rows = 0;
  for (const std::string& line : lines_of(test::read_file(kSource + "/docs/operations.md"))) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    const auto keys = config_keys();
    if (std::find(keys.begin(), keys.end(), found[1]) == keys.end()) continue;
    ++rows;
    std::string key = found[1];
    std::string value = found[2];
    if (const auto dot = key.find('.'); dot != std::string::npos) {
      const std::string inner = key.substr(dot + 1);
      value = "{ " + std::string(inner == "type" ? "" : "type = \"none\", ") + inner + " = " +
              value + " }";
      key.resize(dot);
      // Keys that only some types have are no defaults of type "none".
      if (inner == "path") continue;
    }
    EXPECT_EQ(only_service(head + key + " = " + value + "\n", line), defaults) << line;
  }
  EXPECT_GE(rows, 12);
}

TEST(ConfigDocsTest, EachExampleHasACommentedConfig) {
  ASSERT_GE(examples().size(), 3U);
  for (const std::string& folder : examples()) {
    const std::string path = folder + "/handoff.toml";
    const std::string text = test::read_file(path);
    const ServiceConfig as_it_is = only_service(text, path);
    EXPECT_EQ(as_it_is.name, std::filesystem::path(folder).filename());
    std::string uncommented;
    std::vector<std::string> lines = lines_of(text);
    for (std::string& line : lines) {
      const bool is_default = line.starts_with("#") && line.size() > 1 && std::islower(line[1]);
      uncommented += (is_default ? line.substr(1) : line) + "\n";
    }
    EXPECT_EQ(only_service(uncommented, path + ", uncommented"), as_it_is);
    for (const std::string& line : lines) {
      if (!line.starts_with("##")) continue;
      const ServiceConfig with = only_service(text + line.substr(2) + "\n", path + ": " + line);
      EXPECT_NE(with, as_it_is) << line;
    }
  }
}

TEST(ConfigDocsTest, EveryKeyIsInEachExample) {
  for (const std::string& folder : examples()) {
    const std::string text = test::read_file(folder + "/handoff.toml");
    for (const std::string& key : config_keys()) {
      if (key.find('.') != std::string::npos) continue;
      EXPECT_TRUE(std::regex_search(text, std::regex("\n#{0,2}" + key + " = "))) << folder << key;
    }
  }
}

}  // namespace
}  // namespace handoff::supervisor
