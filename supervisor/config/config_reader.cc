#include "supervisor/config/config_reader.h"

#include <algorithm>
#include <utility>

#include "supervisor/core/duration.h"
#include "supervisor/core/suggest.h"

namespace handoff::supervisor {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string describe(const ConfigProblem& problem, const std::string& file) {
  return file + ":" + (problem.line > 0 ? std::to_string(problem.line) + ": " : " ") + problem.why;
}

std::vector<ConfigProblem> ConfigReader::take_problems() {
  std::stable_sort(problems_.begin(), problems_.end(),
                   [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
  return std::exchange(problems_, {});
}

void ConfigReader::unknown(const toml::key& key, const std::string& where,
                           const std::vector<std::string>& known, const std::string& hint) {
  std::string text = "unknown key " + quoted(key.str()) + " in " + where;
  if (const auto near = closest(key.str(), known)) {
    text += "; did you mean " + quoted(*near) + "?";
  } else {
    text += "; there are:";
    for (const std::string& name : known) text += " " + name;
  }
  wrong(key, text + hint);
}

void ConfigReader::text(const toml::node& node, const std::string& name, std::string& out) {
  const auto value = node.value_exact<std::string>();
  if (!value) return wrong(node, name + " must be a string");
  if (has_nul(*value)) return wrong(node, name + ": there is a NUL in it");
  out = *value;
}

void ConfigReader::absolute_path(const toml::node& node, const std::string& name,
                                 std::string& out) {
  const auto path = node.value_exact<std::string>();
  if (!path || path->empty() || path->front() != '/') {
    return wrong(node, name + " must be an absolute path");
  }
  if (has_nul(*path)) return wrong(node, name + ": there is a NUL in the path");
  out = *path;
}

void ConfigReader::flag(const toml::node& node, const std::string& name, bool& out) {
  const auto value = node.value_exact<bool>();
  if (!value) return wrong(node, name + " must be true or false");
  out = *value;
}

void ConfigReader::duration(const toml::node& node, const std::string& name, Duration& out,
                            bool zero_is_fine) {
  const auto text = node.value_exact<std::string>();
  const auto value = text ? parse_duration(*text) : std::nullopt;
  if (!value) {
    return wrong(node, name + " must be a string with " + std::string(kDurationHelp));
  }
  if (*value == Duration{} && !zero_is_fine) {
    return wrong(node, name + " can't be zero: nothing would ever succeed");
  }
  out = *value;
}

void ConfigReader::number(const toml::node& node, const std::string& name, std::int64_t least,
                          std::int64_t most, std::int64_t& out) {
  const auto value = node.value_exact<std::int64_t>();
  if (!value || *value < least || *value > most) {
    return wrong(node, name + " must be a whole number from " + std::to_string(least) + " to " +
                           std::to_string(most));
  }
  out = *value;
}

void ConfigReader::command(const toml::node& node, const std::string& name,
                           std::vector<std::string>& out) {
  const toml::array* words = node.as_array();
  if (words == nullptr || words->empty()) {
    return wrong(node,
                 name + " must be a list of strings, e.g. [\"/opt/chat-1.0\", \"--verbose\"]");
  }
  std::vector<std::string> read;
  texts(node, name, read);
  if (read.empty()) return;  // told
  if (read.front().empty()) return wrong(node, name + " begins with an empty string");
  out = std::move(read);
}

void ConfigReader::texts(const toml::node& node, const std::string& name,
                         std::vector<std::string>& out) {
  const toml::array* words = node.as_array();
  if (words == nullptr) return wrong(node, name + " must be a list of strings");
  std::vector<std::string> read;
  for (const toml::node& word : *words) {
    const auto text = word.value_exact<std::string>();
    if (!text) return wrong(word, name + " must be a list of strings");
    if (has_nul(*text)) return wrong(word, name + ": there is a NUL in a word");
    read.push_back(*text);
  }
  out = std::move(read);
}

std::optional<std::size_t> ConfigReader::choice(const toml::node& node, const std::string& name,
                                                const std::vector<std::string>& words) {
  const auto text = node.value_exact<std::string>();
  const auto found = text ? std::find(words.begin(), words.end(), *text) : words.end();
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string why = name + " must be";
  for (std::size_t i = 0; i < words.size(); ++i) {
    why += (i == 0 ? " " : i + 1 == words.size() ? " or " : ", ") + quoted(words[i]);
  }
  if (text) {
    if (const auto near = closest(*text, words)) why += "; did you mean " + quoted(*near) + "?";
  }
  wrong(node, why);
  return std::nullopt;
}

}  // namespace handoff::supervisor
