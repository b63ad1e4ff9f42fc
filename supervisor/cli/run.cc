// `handoff run`: from options or config to a Supervisor and its loop.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <sys/prctl.h>

#include <csignal>
#include <filesystem>
#include <iostream>

#include "cli/client.h"
#include "cli/json_log.h"
#include "cli/options.h"
#include "config.h"
#include "handoff/handoff.h"
#include "io/failpoint.h"
#include "io/runtime_dir.h"
#include "io/spawn.h"
#include "io/supervisor.h"
#include "saved_state.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kDefaultConfig = "/etc/handoff/handoff.toml";

void set_up_log(bool json) {
  if (json) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("handoff", make_json_sink()));
    return;
  }
  auto logger = std::make_shared<spdlog::logger>(
      "handoff", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
  spdlog::set_default_logger(std::move(logger));
}

void override_with(Timeouts& timeouts, const GivenTimeouts& given) {
  if (given.start) timeouts.start = *given.start;
  if (given.freeze_budget) timeouts.freeze_budget = *given.freeze_budget;
  if (given.stall) timeouts.stall = *given.stall;
  if (given.drain) timeouts.drain = *given.drain;
  if (given.probation) timeouts.probation = *given.probation;
}

Result<Config> from_options(const RunOptions& options) {
  if (options.name.empty() && options.command.empty()) {
    const std::string path = options.config.empty() ? kDefaultConfig : options.config;
    if (options.config.empty() && !std::filesystem::exists(path)) {
      return fail(-EINVAL,
                  "nothing to run: give --config FILE, or --name NAME ... -- CMD ARG... (" + path +
                      " does not exist)");
    }
    auto config = load_config(path);
    if (config) {
      for (ServiceConfig& service : config->services)
        override_with(service.timeouts, options.timeouts);
    }
    return config;
  }
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
  if (!core::valid_name(service.name)) {
    return fail(-EINVAL,
                "\"" + service.name + "\" is no name: letters, digits, . _ - and at most 64");
  }
  service.command = options.command;
  service.restart = !options.no_restart;
  service.working_dir = options.working_dir;
  override_with(service.timeouts, options.timeouts);
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

// What a successor of a running supervisor is asked first (upgrade --self); takes nothing.
ExitStatus check(const Config& config, const std::string& runtime) {
  const auto state = RuntimeDir::peek(runtime);
  if (!state) return complain(false, ExitStatus::kFailed, "runtime", state.error().message);
  if (!state->empty()) {
    const auto saved = parse_state(*state, runtime + "/state.json");
    if (!saved) return complain(false, ExitStatus::kFailed, "state", saved.error().message);
  }
  std::cout << "ok: " << config.services.size() << " services, version " << HANDOFF_VERSION
            << std::endl;
  return ExitStatus::kDone;
}

}  // namespace

ExitStatus run_command(const RunOptions& options) {
  if (const std::string& problem = failpoint::problem(); !problem.empty()) {
    return complain(false, ExitStatus::kUsage, "usage", problem);
  }
  auto config = from_options(options);
  if (!config) return complain(false, ExitStatus::kUsage, "usage", config.error().message);
  auto runtime = runtime_path();
  if (!runtime) return complain(false, ExitStatus::kFailed, "runtime", runtime.error().message);
  if (options.check) return check(*config, *runtime);
  set_up_log(options.json);
  raise_file_limit();
  // Executed from an open file it would have the name of that fd.
  (void)::prctl(PR_SET_NAME, "handoff");
  (void)std::signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more is no reason to go
  uv_loop_t loop;
  if (const int result = uv_loop_init(&loop); result < 0) {
    return complain(false, ExitStatus::kFailed, "loop", uv_strerror(result));
  }
  ExitStatus status = ExitStatus::kDone;
  {
    auto supervisor = Supervisor::open(&loop, *config, *runtime);
    if (supervisor) {
      (*supervisor)->start();
      while (!(*supervisor)->over()) uv_run(&loop, UV_RUN_DEFAULT);
      spdlog::info("all services have stopped");
    } else {
      spdlog::error("{}", supervisor.error().message);
      status = ExitStatus::kFailed;
    }
  }
  // Lets the closed handles go.
  while (uv_run(&loop, UV_RUN_DEFAULT) != 0) {
  }
  (void)uv_loop_close(&loop);
  return status;
}

}  // namespace handoff::supervisor
