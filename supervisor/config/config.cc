#include "supervisor/config/config.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "supervisor/base/folder_variables.h"
#include "supervisor/base/regular_file.h"
#include "supervisor/config/config_health.h"
#include "supervisor/config/config_history.h"
#include "supervisor/config/config_listen.h"
#include "supervisor/config/config_reader.h"
#include "supervisor/signing/signature.h"

namespace handoff::supervisor {
namespace {

constexpr std::int64_t kMostGenerations = 64;
constexpr std::int64_t kMostErrors = 1'000'000'000;
constexpr std::int64_t kMostCrashes = 100;

void read_environment(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(node, "env must be a table of strings, e.g. { LANG = \"C.UTF-8\" }");
  }
  for (const auto& [key, value] : *table) {
    const auto text = value.value_exact<std::string>();
    const std::string name(key.str());
    if (!text) {
      reader.wrong(value, "env: " + supervisor::quoted(name) + " must be a string");
    } else if (name.empty() || name.find('=') != std::string::npos || has_nul(name) ||
               has_nul(*text)) {
      reader.wrong(key,
                   "env: " + supervisor::quoted(name) + " can't be a variable of an environment");
    } else if (name.starts_with("HANDOFF_") && !names_folder(name)) {
      reader.wrong(key, "env: " + name + " is set by the supervisor");
    } else {
      out.environment[name] = *text;
    }
  }
}

void read_incompatible(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const auto choice = reader.choice(node, "incompatible", {"refuse", "drain"});
  if (choice) out.drain_incompatible = *choice == 1;
}

void read_unclaimed(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(node, "unclaimed must be a table, e.g. { listeners = \"close\" }");
  }
  // Each in the order of its values in UnclaimedPolicy.
  const auto take = [&](const toml::node& value, const std::string& key,
                        const std::vector<std::string>& words, auto& into) {
    using Policy = typename std::remove_reference_t<decltype(into)>::value_type;
    const auto choice = reader.choice(value, "unclaimed." + key, words);
    if (choice) into = static_cast<Policy>(*choice);
  };
  UnclaimedPolicy& policy = out.unclaimed;
  for (const auto& [key, value] : *table) {
    if (key == "listeners") {
      take(value, "listeners", {"keep", "close", "refuse"}, policy.listeners);
    } else if (key == "sections") {
      take(value, "sections", {"drop", "refuse"}, policy.sections);
    } else if (key == "sessions") {
      take(value, "sessions", {"late", "refuse"}, policy.sessions);
    } else {
      reader.unknown(key, "unclaimed", {"listeners", "sections", "sessions"});
    }
  }
}

void read_unmovable(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  // In the order of core::Unmovable.
  const auto choice = reader.choice(node, "unmovable", {"refuse", "late", "close"});
  if (choice) out.unmovable = static_cast<handoff::core::Unmovable>(*choice);
}

void read_release(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const auto choice = reader.choice(node, "release", {"chosen", "config"});
  if (choice) out.release_from_config = *choice == 1;
}

void read_late(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  // In the order of LateSessions.
  const auto choice = reader.choice(node, "late", {"move", "close", "keep"});
  if (choice) out.late = static_cast<LateSessions>(*choice);
}

void read_children(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  // In the order of ChildrenPolicy.
  const auto choice = reader.choice(node, "children", {"leave", "end"});
  if (choice) out.children = static_cast<ChildrenPolicy>(*choice);
}

void read_max_generations(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  auto number = static_cast<std::int64_t>(out.max_generations);
  reader.number(node, "max_generations", 2, kMostGenerations, number);
  out.max_generations = static_cast<std::size_t>(number);
}

void read_max_crashes(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  std::int64_t number = out.recoveries.max_crashes;
  reader.number(node, "vault_max_crashes", 1, kMostCrashes, number);
  out.recoveries.max_crashes = static_cast<int>(number);
}

void read_max_recoveries(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const auto text = node.value_exact<std::string>();
  const auto rate = text ? parse_rate(*text) : std::nullopt;
  if (!rate) return reader.wrong(node, "vault_max_recoveries must be " + std::string(kRateHelp));
  out.recoveries.max_recoveries = *rate;
}

void read_max_errors(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  std::int64_t number = 0;
  reader.number(node, "max_errors", 0, kMostErrors, number);
  out.max_errors = static_cast<std::uint64_t>(number);
}

void read_verify(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(node,
                        "verify must be a table, e.g. { key = \"/etc/handoff/release.pub\" }");
  }
  for (const auto& [key, value] : *table) {
    if (key == "service") {
      reader.text(value, "verify.service", out.verify_service);
      if (const auto problem = service_name_problem(out.verify_service); !problem.empty()) {
        reader.wrong(value, "verify.service: " + problem);
      }
      continue;
    }
    if (key != "key") {
      reader.unknown(key, "verify", {"key", "service"});
      continue;
    }
    std::string text;
    reader.text(value, "verify.key", text);
    if (!text.starts_with('/') && !parse_public_key(text)) {
      reader.wrong(value,
                   "verify.key must be a public key of minisign's (RW... and 56 letters), or the "
                   "absolute path of its .pub file");
      continue;
    }
    out.verify_key = text;
  }
  // Its author wants something to be verified.
  if (!table->contains("key")) reader.wrong(node, "verify has no key");
}

// The keys of a service, in the order in which people are told of them.
struct Key {
  const char* name;
  void (*read)(ConfigReader&, const toml::node&, ServiceConfig&);
};
constexpr std::array<Key, 25> kKeys{{
    {"command", [](ConfigReader& reader, const toml::node& node,
                   ServiceConfig& out) { reader.command(node, "command", out.command); }},
    {"listen", read_listen},
    {"files", [](ConfigReader& reader, const toml::node& node,
                 ServiceConfig& out) { reader.texts(node, "files", out.files); }},
    {"start_timeout",
     [](ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
       reader.duration(node, "start_timeout", out.timeouts.start, false);
     }},
    {"freeze_budget",
     [](ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
       reader.duration(node, "freeze_budget", out.timeouts.freeze_budget, false);
     }},
    {"stall_timeout",
     [](ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
       reader.duration(node, "stall_timeout", out.timeouts.stall, false);
     }},
    {"drain", [](ConfigReader& reader, const toml::node& node,
                 ServiceConfig& out) { reader.duration(node, "drain", out.timeouts.drain, true); }},
    {"probation",
     [](ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
       reader.duration(node, "probation", out.timeouts.probation, true);
     }},
    {"health", read_health},
    {"max_errors", read_max_errors},
    {"incompatible", read_incompatible},
    {"unclaimed", read_unclaimed},
    {"unmovable", read_unmovable},
    {"late", read_late},
    {"max_generations", read_max_generations},
    {"children", read_children},
    {"restart", [](ConfigReader& reader, const toml::node& node,
                   ServiceConfig& out) { reader.flag(node, "restart", out.restart); }},
    {"vault", [](ConfigReader& reader, const toml::node& node,
                 ServiceConfig& out) { reader.flag(node, "vault", out.vault); }},
    {"vault_max_crashes", read_max_crashes},
    {"vault_max_recoveries", read_max_recoveries},
    {"env", read_environment},
    {"working_dir",
     [](ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
       reader.absolute_path(node, "working_dir", out.working_dir);
     }},
    {"releases_dir",
     [](ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
       reader.absolute_path(node, "releases_dir", out.releases_dir);
     }},
    {"release", read_release},
    {"verify", read_verify},
}};

std::vector<std::string> service_keys() {
  std::vector<std::string> out;
  out.reserve(kKeys.size());
  for (const Key& key : kKeys) out.emplace_back(key.name);
  return out;
}

ServiceConfig read_service(ConfigReader& reader, const toml::key& key, const toml::node& node,
                           std::map<std::string, unsigned>& lines) {
  ServiceConfig out;
  out.name = key.str();
  lines[out.name] = key.source().begin.line;
  if (const std::string problem = service_name_problem(out.name); !problem.empty()) {
    reader.wrong(key, problem);
  }
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    reader.wrong(node, "service." + out.name + " must be a table");
    return out;
  }
  for (const auto& [name, value] : *table) {
    const std::string_view word = name.str();
    lines[out.name + "." + std::string(word)] = name.source().begin.line;
    const auto* known = std::find_if(kKeys.begin(), kKeys.end(),
                                     [word](const Key& other) { return word == other.name; });
    if (known == kKeys.end()) {
      reader.unknown(name, "[service." + out.name + "]", service_keys());
    } else {
      known->read(reader, value, out);
    }
  }
  note_listeners(out.name, *table, lines);
  if (!table->contains("command")) {
    reader.wrong(key, "[service." + out.name + "] has no command");
  }
  if (const toml::node* health = table->get("health")) check_health(reader, *health, out);
  return out;
}

// The one would remove what the other has unpacked.
void check_releases_dirs(ConfigReader& reader, const Config& config) {
  std::map<std::string, std::string> owner;
  for (const ServiceConfig& service : config.services) {
    if (service.releases_dir.empty()) continue;
    const auto [found, fresh] = owner.emplace(service.releases_dir, service.name);
    if (fresh) continue;
    reader.wrong(config.lines.at(service.name + ".releases_dir"),
                 "releases_dir is that of service " + supervisor::quoted(found->second) +
                     " already: each needs one of its own");
  }
}

}  // namespace

std::string service_name_problem(const std::string& name) {
  if (core::valid_name(name) && name.front() != '.') return "";
  return supervisor::quoted(name) +
         " is no name: letters, digits, . _ - and at most 64, and no dot at its beginning";
}

ReadConfig read_config(const std::string& text) {
  ConfigReader reader;
  ReadConfig out;
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    out.problems.push_back({error.source().begin.line, std::string(error.description())});
    return out;
  }
  for (const auto& [key, value] : root) {
    if (read_history_key(reader, key, value, out.config.history)) continue;
    if (key != "service") {
      std::vector<std::string> known = supervisor_keys();
      known.emplace_back("service");
      reader.unknown(key, "the file", known, " (a service is a table [service.NAME])");
      continue;
    }
    const toml::table* services = value.as_table();
    if (services == nullptr) {
      reader.wrong(value, "a service is a table [service.NAME]");
      continue;
    }
    for (const auto& [name, service] : *services) {
      out.config.services.push_back(read_service(reader, name, service, out.config.lines));
    }
  }
  check_releases_dirs(reader, out.config);
  out.problems = reader.take_problems();
  if (out.config.services.empty() && out.problems.empty()) {
    out.problems.push_back({0, "no service in it; one is a table [service.NAME] with a command"});
  }
  return out;
}

Result<Config> parse_config(const std::string& text, const std::string& file) {
  ReadConfig read = read_config(text);
  if (read.problems.empty()) return std::move(read.config);
  std::string why = describe(read.problems.front(), file);
  if (const std::size_t more = read.problems.size() - 1; more > 0) {
    why += " (and " + std::to_string(more) + " more; `handoff check` lists all)";
  }
  return fail(-EINVAL, why);
}

Result<std::string> read_config_file(const std::string& path) {
  return read_regular(path, "can't read the config " + path);
}

Result<Config> load_config(const std::string& path) {
  const auto text = read_config_file(path);
  if (!text) return Failure(text.error());
  return parse_config(*text, path);
}

std::vector<std::string> config_keys() {
  std::vector<std::string> out = service_keys();
  for (const std::string& key : listen_keys()) out.push_back("listen.NAME." + key);
  for (const std::string& key : health_keys()) out.push_back("health." + key);
  for (const char* key : {"listeners", "sections", "sessions"}) {
    out.push_back(std::string("unclaimed.") + key);
  }
  out.emplace_back("verify.key");
  out.emplace_back("verify.service");
  return out;
}

}  // namespace handoff::supervisor
