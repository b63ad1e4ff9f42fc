// Reading single values of a config: what is wrong with one goes into a list, with its line, and
// the reading goes on, so that all mistakes of a file can be told at once.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/config/config.h"

namespace handoff::supervisor {

class ConfigReader {
 public:
  std::vector<ConfigProblem> take_problems();

  void wrong(const toml::node& node, std::string why) { add(node.source(), std::move(why)); }
  void wrong(const toml::key& key, std::string why) { add(key.source(), std::move(why)); }
  void wrong(unsigned line, std::string why) { problems_.push_back({line, std::move(why)}); }
  // "unknown key ...; did you mean ...?"
  void unknown(const toml::key& key, const std::string& where,
               const std::vector<std::string>& known, const std::string& hint = "");

  // Each leaves `out` as it is where something is wrong. name: as it is called in the message.
  void text(const toml::node& node, const std::string& name, std::string& out);
  void absolute_path(const toml::node& node, const std::string& name, std::string& out);
  void flag(const toml::node& node, const std::string& name, bool& out);
  void duration(const toml::node& node, const std::string& name, Duration& out, bool zero_is_fine);
  void number(const toml::node& node, const std::string& name, std::int64_t least,
              std::int64_t most, std::int64_t& out);
  // A program and its arguments.
  // A list of strings, which may be empty.
  void texts(const toml::node& node, const std::string& name, std::vector<std::string>& out);
  void command(const toml::node& node, const std::string& name, std::vector<std::string>& out);
  // Which of these words it is.
  std::optional<std::size_t> choice(const toml::node& node, const std::string& name,
                                    const std::vector<std::string>& words);

 private:
  void add(const toml::source_region& where, std::string why) {
    problems_.push_back({where.begin.line, std::move(why)});
  }
  std::vector<ConfigProblem> problems_;
};

std::string quoted(std::string_view text);
// TOML can say it ("\\u0000"), an exec ends there.
inline bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

}  // namespace handoff::supervisor
