#include "supervisor/cli/config_source.h"

#include <filesystem>
#include <utility>

#include "supervisor/host/kept_config.h"
#include "supervisor/listeners/socket_file.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kDefaultConfig = "/etc/handoff/handoff.toml";

Result<Config> service_of_options(const RunOptions& options) {
  if (!options.config.empty()) {
    return fail(-EINVAL, "--config and a command of one's own exclude each other");
  }
  if (options.name.empty()) return fail(-EINVAL, "--name is missing");
  if (options.command.empty()) {
    return fail(-EINVAL, "the command is missing: handoff run --name " + options.name +
                             " ... -- CMD ARG...");
  }
  ServiceConfig service;
  service.name = options.name;
  if (const std::string problem = service_name_problem(service.name); !problem.empty()) {
    return fail(-EINVAL, problem);
  }
  service.command = options.command;
  service.restart = !options.no_restart;
  service.vault = options.vault;
  service.working_dir = options.working_dir;
  service.timeouts = options.timeouts.over(service.timeouts);
  for (const std::string& text : options.listen) {
    auto named = parse_named_address(text);
    if (!named) return Failure(named.error());
    for (const NamedAddress& other : service.listen) {
      if (other.name == named->name) {
        return fail(-EINVAL, "two listeners have the name \"" + other.name + "\"");
      }
    }
    service.listen.push_back(std::move(*named));
  }
  return Config{{std::move(service)}};
}

// What takes as long as a directory of users likes, before a loop has anything to do with it.
Result<Config> looked_up(Result<Config> config) {
  if (!config) return config;
  for (ServiceConfig& service : config->services) {
    for (NamedAddress& listener : service.listen) look_up(listener);
  }
  return config;
}

}  // namespace

Result<std::string> config_path(const std::string& given) {
  if (!given.empty()) return given;
  if (!std::filesystem::exists(kDefaultConfig)) {
    return fail(-ENOENT, std::string(kDefaultConfig) + " does not exist");
  }
  return kDefaultConfig;
}

bool without_file(const RunOptions& options) {
  return !options.name.empty() || !options.command.empty();
}

Result<Config> config_from(const RunOptions& options) {
  if (without_file(options)) return looked_up(service_of_options(options));
  const auto path = config_path(options.config);
  if (!path) {
    return fail(path.error().code,
                "nothing to run: give --config FILE, or --name NAME ... -- CMD ARG... (" +
                    path.error().message + ")");
  }
  const auto text = read_config_file(*path);
  if (!text) return Failure(text.error());
  return config_from(options, *text, *path);
}

Result<Config> config_from(const RunOptions& options, const std::string& text,
                           const std::string& path) {
  auto config = parse_config(text, path);
  if (config) {
    config->text = text;
    for (ServiceConfig& service : config->services) {
      service.timeouts = options.timeouts.over(service.timeouts);
    }
  }
  return looked_up(std::move(config));
}

Result<InForce> config_in_force(const RunOptions& options, const std::string& state) {
  auto config = config_from(options);
  if (config) return InForce{std::move(*config), ""};
  if (without_file(options)) return Failure(config.error());
  std::error_code error;
  const std::string given = options.config.empty() ? kDefaultConfig : options.config;
  const std::string path = std::filesystem::absolute(given, error).string();
  const auto kept = kept_config(state, path);
  if (!kept) return Failure(config.error());
  auto before = config_from(options, *kept, path);
  if (!before) return Failure(config.error());
  return InForce{std::move(*before), config.error().message};
}

}  // namespace handoff::supervisor
