#include "config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "core/duration.h"
#include "core/suggest.h"

namespace handoff::supervisor {
namespace {

// "FILE:LINE: WHY", for the node that it is about.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Failure wrong(const toml::node& node, const std::string& why) const {
    return fail(-EINVAL, file_ + ":" + std::to_string(node.source().begin.line) + ": " + why);
  }
  Failure wrong(const toml::key& key, const std::string& why) const {
    return fail(-EINVAL, file_ + ":" + std::to_string(key.source().begin.line) + ": " + why);
  }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
};

const std::vector<std::string>& service_keys() {
  static const std::vector<std::string> keys{
      "command", "listen", "start_timeout", "freeze_budget", "stall_timeout", "drain",
      "restart", "env",    "working_dir",   "late",          "incompatible",  "max_generations"};
  return keys;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// TOML can say it ("\\u0000"), an exec ends there.
bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

std::string unknown(std::string_view key, const std::string& where,
                    const std::vector<std::string>& known) {
  std::string text = "unknown key " + quoted(key) + " in " + where;
  if (const auto near = closest(key, known)) return text + "; did you mean " + quoted(*near) + "?";
  text += "; there are:";
  for (const std::string& name : known) text += " " + name;
  return text;
}

Result<void> read_command(const Reader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::array* words = node.as_array();
  if (words == nullptr || words->empty()) {
    return reader.wrong(
        node, "command must be a list of strings, e.g. [\"/opt/chat-1.0\", \"--verbose\"]");
  }
  for (const toml::node& word : *words) {
    const auto text = word.value_exact<std::string>();
    if (!text) return reader.wrong(word, "command must be a list of strings");
    if (has_nul(*text)) return reader.wrong(word, "command: there is a NUL in a word");
    out.command.push_back(*text);
  }
  if (out.command.front().empty()) return reader.wrong(node, "command begins with an empty string");
  return {};
}

Result<void> read_listen(const Reader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(
        node,
        "listen must be a table of names and addresses, e.g. { public = \"tcp:0.0.0.0:7000\" }");
  }
  for (const auto& [key, value] : *table) {
    const auto text = value.value_exact<std::string>();
    if (!text)
      return reader.wrong(value, "the address of listener " + quoted(key) + " must be a string");
    if (!core::valid_name(key)) {
      return reader.wrong(key, quoted(key) + " is no name: letters, digits, . _ - and at most 64");
    }
    auto address = core::parse_address(*text);
    if (!address) return reader.wrong(value, address.error());
    out.listen.push_back({std::string(key.str()), std::move(*address)});
  }
  if (out.listen.size() > kMaxListeners) {
    return reader.wrong(node,
                        "a service has at most " + std::to_string(kMaxListeners) + " listeners");
  }
  return {};
}

Result<void> read_environment(const Reader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(node, "env must be a table of strings, e.g. { LANG = \"C.UTF-8\" }");
  }
  for (const auto& [key, value] : *table) {
    const auto text = value.value_exact<std::string>();
    if (!text) return reader.wrong(value, "env: " + quoted(key) + " must be a string");
    const std::string name(key.str());
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(*text)) {
      return reader.wrong(key, "env: " + quoted(name) + " can't be a variable of an environment");
    }
    if (name.starts_with("HANDOFF_") && name != "HANDOFF_RUNTIME_DIR") {
      return reader.wrong(key, "env: " + name + " is set by the supervisor");
    }
    out.environment[name] = *text;
  }
  return {};
}

Result<void> read_duration(const Reader& reader, const toml::node& node, std::string_view key,
                           Duration& out, bool zero_is_fine) {
  const auto text = node.value_exact<std::string>();
  const auto duration = text ? parse_duration(*text) : std::nullopt;
  if (!duration) {
    return reader.wrong(node,
                        std::string(key) + " must be a string with " + std::string(kDurationHelp));
  }
  if (*duration == Duration{} && !zero_is_fine) {
    return reader.wrong(node, std::string(key) + " can't be zero: nothing would ever succeed");
  }
  out = *duration;
  return {};
}

Result<void> read_value(const Reader& reader, const toml::key& key, const toml::node& value,
                        ServiceConfig& out) {
  const std::string_view name = key.str();
  if (name == "command") return read_command(reader, value, out);
  if (name == "listen") return read_listen(reader, value, out);
  if (name == "env") return read_environment(reader, value, out);
  if (name == "start_timeout") {
    return read_duration(reader, value, name, out.timeouts.start, false);
  }
  if (name == "freeze_budget") {
    return read_duration(reader, value, name, out.timeouts.freeze_budget, false);
  }
  if (name == "stall_timeout") {
    return read_duration(reader, value, name, out.timeouts.stall, false);
  }
  if (name == "drain") return read_duration(reader, value, name, out.timeouts.drain, true);
  if (name == "restart") {
    const auto flag = value.value_exact<bool>();
    if (!flag) return reader.wrong(value, "restart must be true or false");
    out.restart = *flag;
    return {};
  }
  if (name == "late" || name == "incompatible") {
    const auto text = value.value_exact<std::string>().value_or("");
    const std::vector<std::string> words = name == "late"
                                               ? std::vector<std::string>{"move", "close", "keep"}
                                               : std::vector<std::string>{"refuse", "drain"};
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
      std::string allowed;
      for (const std::string& word : words) allowed += (allowed.empty() ? "" : ", ") + quoted(word);
      return reader.wrong(value, std::string(name) + " must be one of " + allowed);
    }
    if (name == "late") out.late = static_cast<LateSessions>(found - words.begin());
    if (name == "incompatible") out.drain_incompatible = text == "drain";
    return {};
  }
  if (name == "max_generations") {
    const auto number = value.value_exact<std::int64_t>().value_or(0);
    if (number < 2 || number > 100) {
      return reader.wrong(value, "max_generations must be a number from 2 to 100");
    }
    out.max_generations = static_cast<std::size_t>(number);
    return {};
  }
  if (name == "working_dir") {
    const auto path = value.value_exact<std::string>();
    if (!path || path->empty() || path->front() != '/') {
      return reader.wrong(value, "working_dir must be an absolute path");
    }
    if (has_nul(*path)) return reader.wrong(value, "working_dir: there is a NUL in the path");
    out.working_dir = *path;
    return {};
  }
  return reader.wrong(key, unknown(name, "[service." + out.name + "]", service_keys()));
}

Result<ServiceConfig> read_service(const Reader& reader, const toml::key& key,
                                   const toml::node& node) {
  ServiceConfig out;
  out.name = key.str();
  if (!core::valid_name(out.name)) {
    return reader.wrong(key,
                        quoted(out.name) + " is no name: letters, digits, . _ - and at most 64");
  }
  const toml::table* table = node.as_table();
  if (table == nullptr) return reader.wrong(node, "service." + out.name + " must be a table");
  for (const auto& [name, value] : *table) {
    if (auto read = read_value(reader, name, value, out); !read) return Failure(read.error());
  }
  if (out.command.empty()) {
    return reader.wrong(key, "[service." + out.name + "] has no command");
  }
  return out;
}

}  // namespace

Result<Config> parse_config(const std::string& text, const std::string& file) {
  const Reader reader(file);
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return fail(-EINVAL, file + ":" + std::to_string(error.source().begin.line) + ": " +
                             std::string(error.description()));
  }
  Config config;
  for (const auto& [key, value] : root) {
    if (key != "service") {
      return reader.wrong(key, unknown(key.str(), "the file", {"service"}) +
                                   " (a service is a table [service.NAME])");
    }
    const toml::table* services = value.as_table();
    if (services == nullptr) return reader.wrong(value, "a service is a table [service.NAME]");
    for (const auto& [name, service] : *services) {
      auto read = read_service(reader, name, service);
      if (!read) return Failure(read.error());
      config.services.push_back(std::move(*read));
    }
  }
  if (config.services.empty()) {
    return fail(-EINVAL, file + ": no service in it; one is a table [service.NAME] with a command");
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return fail(-ENOENT, "can't read the config " + path);
  }
  return parse_config(text.str(), path);
}

}  // namespace handoff::supervisor
