// `handoff run`: from options or config to a Supervisor and its loop.
#include <spdlog/spdlog.h>

#include <malloc.h>
#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "handoff/handoff.h"
#include "libhandoff/sys/environment.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/oom_score.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/config_source.h"
#include "supervisor/cli/log.h"
#include "supervisor/cli/options.h"
#include "supervisor/core/suggest.h"
#include "supervisor/host/journal.h"
#include "supervisor/host/runtime_dir.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/loop/thread_work.h"
#include "supervisor/processes/spawn.h"
#include "supervisor/releases/release.h"
#include "supervisor/releases/unpacker.h"
#include "supervisor/releases/vault_reader.h"
#include "supervisor/run/supervisor.h"
#include "supervisor/self/trial.h"

namespace handoff::supervisor {
namespace {

// What a request or an upgrade needed goes back to the system, rather than into an arena for each
// thread of libuv's pool: this process is idle nearly always, and there for a long time.
void keep_memory_small() {
  constexpr int kBig = 128 * 1024;
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_MMAP_THRESHOLD, kBig);  // setting it stops it from growing
  (void)::mallopt(M_TRIM_THRESHOLD, kBig);
}

// Files of services are opened on libuv's threads: one that hangs there (a file server that is
// gone) must not take the others' turns. A service's environment has nothing of it.
void start_threads(uv_loop_t* loop) {
  constexpr const char* kVariable = "UV_THREADPOOL_SIZE";
  const bool given = std::getenv(kVariable) != nullptr;  // before any thread
  if (!given) (void)::setenv(kVariable, "16", 1);
  (void)on_a_thread(
      loop, [] {}, [] {});
  if (!given) (void)::unsetenv(kVariable);
}

ConfigSource source_of(const RunOptions& options) {
  if (without_file(options)) return {};
  // The path is made absolute, since a reload may be asked for from another folder.
  RunOptions again = options;
  std::error_code error;
  again.config = std::filesystem::absolute(config_path(options.config).value_or(""), error);
  return {.file = again.config,
          .read = [again] { return config_from(again); },
          .understand =
              [again](const std::string& text) { return config_from(again, text, again.config); },
          .problem = {}};
}

Result<WatchOptions> watch_of(const RunOptions& options, const Config& config) {
  WatchOptions out;
  if (options.settle) out.settle = *options.settle;
  if (!options.watch) return out;
  std::vector<std::string> names;
  names.reserve(config.services.size());
  for (const ServiceConfig& service : config.services) names.push_back(service.name);
  for (const std::string& name : *options.watch) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      std::string why = "--watch: no service \"" + name + "\"";
      if (const auto near = closest(name, names)) why += "; did you mean \"" + *near + "\"?";
      return fail(-EINVAL, why);
    }
    out.services.insert(name);
  }
  out.all = options.watch->empty();
  return out;
}

// What a successor of a running supervisor is asked first (upgrade --self): opens all that it will
// need, and takes nothing. What is wrong with one service is no reason not to take over.
ExitStatus check(const Config& config, const std::string& runtime, const std::string& state) {
  const auto refuse = [](const char* code, const std::string& why) {
    return complain(false, ExitStatus::kFailed, code, why);
  };
  if (const auto problem = runtime_dir_problem(runtime); !problem.empty()) {
    return refuse("runtime", problem);
  }
  const auto text = RuntimeDir::peek(runtime);
  if (!text) return refuse("runtime", text.error().message);
  if (const auto& said = *text; said) {
    const auto saved = parse_state(*said, runtime + "/state.json");
    if (!saved) return refuse("state", saved.error().message);
  }
  std::vector<std::string> problems;
  if (const auto opened = Journal(state).open(); !opened) {
    if (!Journal::is_not_ours(opened.error())) return refuse("history", opened.error().message);
    problems.push_back(opened.error().message);
  }
  if (const auto held = hold_unpacker(); !held) return refuse("unpack", held.error().message);
  if (std::ranges::any_of(config.services, &ServiceConfig::vault)) {
    if (const auto held = hold_vault_reader(); !held) return refuse("vault", held.error().message);
  }
  uv_loop_t loop;
  if (const int result = uv_loop_init(&loop); result < 0) {
    return refuse("loop", uv_strerror(result));
  }
  start_threads(&loop);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&loop);
  for (const ServiceConfig& service : config.services) {
    const auto program = find_program(service.command.front());
    const auto file = program ? open_executable(*program) : Failure(program.error());
    if (!file) problems.push_back(service.name + ": " + file.error().message);
  }
  std::cout << trial_json(config.services.size(), problems).dump() << std::endl;
  return ExitStatus::kDone;
}

}  // namespace

ExitStatus run_command(const RunOptions& options) {
  if (const std::string& problem = failpoint::problem(); !problem.empty()) {
    return complain(false, ExitStatus::kUsage, "usage", problem);
  }
  auto runtime = runtime_path();
  const auto state = state_path();
  // One that is tried may not count on what was kept: the file is to be in order.
  Result<InForce> in_force = options.check || !state ? config_from(options).map([](Config config) {
    return InForce{std::move(config), ""};
  })
                                                     : config_in_force(options, *state);
  if (!in_force) return complain(false, ExitStatus::kUsage, "usage", in_force.error().message);
  const Config* config = &in_force->config;
  const auto watch = watch_of(options, *config);
  if (!watch) return complain(false, ExitStatus::kUsage, "usage", watch.error().message);
  if (!runtime) return complain(false, ExitStatus::kFailed, "runtime", runtime.error().message);
  if (!state) return complain(false, ExitStatus::kFailed, "state", state.error().message);
  if (options.check) {
    // This process ends in a moment, and is ended before any service if memory runs out until then.
    (void)io::OomScore().raise();
    return check(*config, *runtime, *state);
  }
  keep_memory_small();
  set_up_log(options.json);
  raise_file_limit();
  // Executed from an open file it would have the name of that fd.
  (void)::prctl(PR_SET_NAME, "handoff");
  // What services leave stays below this process, so that it is known for theirs (core/kin.h). What
  // this process starts beside them is not to pass for theirs, whoever has started it.
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
  environment::forget_supervisor();
  ::unsetenv("HANDOFF_MARK");
  (void)std::signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more is no reason to go
  uv_loop_t loop;
  if (const int result = uv_loop_init(&loop); result < 0) {
    return complain(false, ExitStatus::kFailed, "loop", uv_strerror(result));
  }
  start_threads(&loop);
  ExitStatus status = ExitStatus::kDone;
  {
    ConfigSource source = source_of(options);
    source.problem = in_force->problem;
    auto supervisor = Supervisor::open(&loop, *config, std::move(source), *watch, *runtime);
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
  flush_log();
  return status;
}

}  // namespace handoff::supervisor
