#include "supervisor/config/config_health.h"

#include <algorithm>
#include <array>

#include "supervisor/core/suggest.h"

namespace handoff::supervisor {
namespace {

using Kind = HealthCheck::Kind;

struct HealthKey {
  const char* name;
  std::vector<Kind> of;  // the types that it means something for; empty for all
};
const std::array<HealthKey, 7>& keys() {
  static const std::array<HealthKey, 7> all{{{"type", {}},
                                             {"listener", {Kind::kTcp, Kind::kHttp}},
                                             {"path", {Kind::kHttp}},
                                             {"command", {Kind::kExec}},
                                             {"interval", {}},
                                             {"timeout", {}},
                                             {"failures", {}}}};
  return all;
}
// In the order of HealthCheck::Kind.
const std::vector<std::string>& types() {
  static const std::vector<std::string> all{"none", "tcp", "http", "exec", "service"};
  return all;
}

void read_path(ConfigReader& reader, const toml::node& node, std::string& out) {
  std::string path;
  reader.text(node, "health.path", path);
  const bool printable =
      std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (path.empty() || path.front() != '/' || !printable) {
    return reader.wrong(node, "health.path must begin with / and have no blanks, e.g. \"/health\"");
  }
  out = path;
}

void read_value(ConfigReader& reader, const toml::key& key, const toml::node& node,
                HealthCheck& out) {
  const std::string_view name = key.str();
  if (name == "type") {
    const auto type = reader.choice(node, "health.type", types());
    if (type) out.kind = static_cast<Kind>(*type);
  } else if (name == "listener") {
    reader.text(node, "health.listener", out.listener);
  } else if (name == "path") {
    read_path(reader, node, out.path);
  } else if (name == "command") {
    reader.command(node, "health.command", out.command);
  } else if (name == "interval") {
    reader.duration(node, "health.interval", out.interval, false);
  } else if (name == "timeout") {
    reader.duration(node, "health.timeout", out.timeout, false);
  } else if (name == "failures") {
    std::int64_t failures = out.failures;
    reader.number(node, "health.failures", 1, 1000, failures);
    out.failures = static_cast<int>(failures);
  } else {
    reader.unknown(key, "health", health_keys());
  }
}

}  // namespace

std::vector<std::string> health_keys() {
  std::vector<std::string> out;
  for (const HealthKey& key : keys()) out.emplace_back(key.name);
  return out;
}

void read_health(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(node, "health must be a table, e.g. { type = \"tcp\" }");
  }
  for (const auto& [key, value] : *table) read_value(reader, key, value, out.health);
  if (!table->contains("type") && !table->empty()) {
    return reader.wrong(node,
                        "health has no type: \"none\", \"tcp\", \"http\", \"exec\" or \"service\"");
  }
  for (const auto& [key, value] : *table) {
    for (const HealthKey& known : keys()) {
      if (known.name != key.str() || known.of.empty()) continue;
      if (std::find(known.of.begin(), known.of.end(), out.health.kind) != known.of.end()) continue;
      std::string fit;
      for (const Kind kind : known.of) {
        fit += (fit.empty() ? "" : " or ") +
               supervisor::quoted(types().at(static_cast<std::size_t>(kind)));
      }
      reader.wrong(value,
                   "health." + std::string(key.str()) + " goes with type " + fit + ", not " +
                       supervisor::quoted(types().at(static_cast<std::size_t>(out.health.kind))));
    }
  }
}

void check_health(ConfigReader& reader, const toml::node& node, const ServiceConfig& service) {
  const HealthCheck& health = service.health;
  if (health.kind == Kind::kExec && health.command.empty()) {
    return reader.wrong(node, "health of type \"exec\" has no command");
  }
  if (health.kind != Kind::kTcp && health.kind != Kind::kHttp) return;
  std::vector<std::string> names;
  for (const NamedAddress& listener : service.listen) {
    names.push_back(listener.name);
    if (!health.listener.empty() && listener.name != health.listener) continue;
    if (listener.address.kind == core::Address::Kind::kUdp) {
      reader.wrong(node, "health: listener " + supervisor::quoted(listener.name) +
                             " is UDP: nobody can connect to it");
    }
    return;
  }
  if (names.empty()) {
    return reader.wrong(node, "health connects to a listener, and the service has none in listen");
  }
  std::string why = "health: no listener " + supervisor::quoted(health.listener) + " in listen";
  if (const auto near = closest(health.listener, names)) {
    why += "; did you mean " + supervisor::quoted(*near) + "?";
  }
  reader.wrong(node, why);
}

}  // namespace handoff::supervisor
