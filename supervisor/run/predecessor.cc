#include "supervisor/run/predecessor.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libhandoff/sys/memory.h"
#include "supervisor/host/choice.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/vault.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/release_source.h"
#include "supervisor/releases/reopen.h"
#include "supervisor/service/service_releases.h"

namespace handoff::supervisor {
namespace {

Result<std::optional<std::string>> text_of(const UniqueFd& handed) {
  struct stat info {};
  if (::fstat(handed.get(), &info) < 0) return fail_errno("the state that was handed over");
  const auto size = static_cast<std::size_t>(info.st_size);
  const auto bytes = io::map_blob(handed.get(), size);
  if (!bytes) return Failure(bytes.error());
  return std::string(bytes->data(), size);
}

Result<SavedState> read_state(const RuntimeDir& runtime, const std::string& boot,
                              const UniqueFd& handed) {
  auto text = handed.valid() ? text_of(handed) : runtime.state();
  if (!text && handed.valid()) {
    spdlog::warn("{}; the state file counts", text.error().message);
    text = runtime.state();
  }
  if (!text) return Failure(text.error());
  const auto& said = *text;
  if (!said) return SavedState{};
  auto parsed = parse_state(*said, runtime.path() + "/state.json");
  // Before a reboot: nothing of it is true any more.
  if (parsed && parsed->boot != boot) return SavedState{};
  return parsed;
}

// What was chosen for it, after all of it had ended. What can't be read is told, and the
// configuration counts.
std::optional<Before> choice_of(const ServiceConfig& config, const std::string& state) {
  auto chosen = read_choice(KeptReleases::folder_of(state, config.name), now());
  if (!chosen) {
    spdlog::warn("{}: what was chosen is not known: {}; the configuration counts", config.name,
                 chosen.error().message);
    return std::nullopt;
  }
  std::optional<SavedService>& service = *chosen;
  if (!service || service->name != config.name) return std::nullopt;
  return Before{.saved = std::move(*service)};
}

// An interpreter is given its script by a path, which may be that of the copy that is kept.
bool interprets(const std::vector<std::string>& words, const SavedRelease& known) {
  const std::size_t count = known.args.size() + 1;
  if (words.size() <= count) return false;
  const auto script = words.end() - static_cast<std::ptrdiff_t>(count);
  return script->ends_with(known.path) && std::equal(script + 1, words.end(), known.args.begin());
}

bool answers(const SavedKeeper& keeper) {
  return keeper.there() && call_keeper({.address = keeper.address}).has_value();
}

SavedProcess saved_process(const Process& process) {
  return {.generation = process.generation,
          .pid = process.pid,
          .started = process.started,
          .since = std::chrono::system_clock::to_time_t(process.since),
          .release = saved_release(*process.release),
          .mailbox = process.mailbox};
}

}  // namespace

// The file does not know of it, or not yet: the process is newer than the file.
void take_orphan(Before& before, std::unique_ptr<Process> process) {
  SavedService& saved = before.saved;
  Found& machine = saved.machine;
  if (before.living.empty() || process->generation > machine.last) {
    machine.current = process->generation;
    machine.heir = 0;
    // A probation is one of a release.
    if (saved.release.digest != process->release->digest) {
      machine.probation = {};
      saved.back.reset();
    }
    saved.release = saved_release(*process->release);
  }
  machine.rest = Rest::kNo;
  saved.cold = false;
  machine.guessed = true;
  machine.last = std::max(machine.last, process->generation);
  before.saved.processes.push_back(saved_process(*process));
  before.living.push_back(std::move(process));
}

Result<Predecessor> Predecessor::read(const RuntimeDir& runtime, const std::string& boot,
                                      std::string state_folder, const UniqueFd& handed) {
  Predecessor out(std::move(state_folder));
  out.orphans_ = take_census(runtime.report_path());
  auto state = read_state(runtime, boot, handed);
  if (state) {
    out.state_ = std::move(*state);
    return out;
  }
  if (state.error().code == -ELOOP) return Failure(state.error());
  out.lost_ = true;
  runtime.set_state_aside();
  spdlog::error(
      "{}; it is kept as state.json.bad. Services that still run are looked for, and are let in "
      "when they come back",
      state.error().message);
  return out;
}

std::map<std::string, std::vector<nlohmann::json>> Predecessor::unrecorded() const {
  std::map<std::string, std::vector<nlohmann::json>> out;
  for (const SavedService& service : state_.services) {
    if (!service.unrecorded.empty()) out.emplace(service.name, service.unrecorded);
  }
  return out;
}

std::optional<Before> Predecessor::take(const ServiceConfig& config) {
  std::optional<Before> known;
  const auto saved =
      std::find_if(state_.services.begin(), state_.services.end(),
                   [&](const SavedService& service) { return service.name == config.name; });
  if (saved != state_.services.end()) {
    known = find_before(std::move(*saved));
    state_.services.erase(saved);
  } else {
    known = choice_of(config, folder_);
  }
  bool any = known.has_value() || lost_;
  Before out =
      std::move(known).value_or(Before{.saved = {.name = config.name, .command = config.command}});
  out.awaited = out.awaited || lost_;
  for (Orphan& orphan : orphans_) {
    if (orphan.service != config.name || !orphan.process) continue;
    any = true;
    const pid_t pid = orphan.process->pid;
    const bool counted = std::any_of(out.living.begin(), out.living.end(),
                                     [&](const auto& living) { return living->pid == pid; });
    if (counted) {
      orphan.process.reset();  // else it would be taken for one of a service that nobody knows
      continue;
    }
    spdlog::warn("{}: generation {} (pid {}) runs, and no state file tells of it", config.name,
                 orphan.process->generation, pid);
    out.orphans.push_back(std::move(orphan.process));
    out.awaited = true;
  }
  if (!any) return std::nullopt;
  return out;
}

std::map<std::string, std::string> Predecessor::unnamed() const {
  std::map<std::string, std::string> out;
  for (const SavedService& service : state_.services) {
    if (!service.last_config.empty()) out.emplace(service.name, service.last_config);
  }
  return out;
}

std::vector<SavedService> Predecessor::take_foreign() {
  for (Orphan& orphan : orphans_) {
    if (!orphan.process) continue;
    const auto same = [&](const SavedService& service) { return service.name == orphan.service; };
    auto service = std::find_if(state_.services.begin(), state_.services.end(), same);
    if (service == state_.services.end()) {
      service = state_.services.insert(service, SavedService{.name = orphan.service});
    }
    const auto& known = service->processes;
    const pid_t pid = orphan.process->pid;
    if (std::any_of(known.begin(), known.end(),
                    [pid](const SavedProcess& process) { return process.pid == pid; })) {
      continue;
    }
    orphan.process->release = std::make_shared<Release>();
    Before before{.saved = std::move(*service)};
    take_orphan(before, std::move(orphan.process));
    *service = std::move(before.saved);
  }
  for (SavedService& service : state_.services) {
    std::erase_if(service.processes,
                  [](const SavedProcess& process) { return find_process(process) == nullptr; });
  }
  std::erase_if(state_.services,
                [](const SavedService& service) { return service.processes.empty(); });
  return std::move(state_.services);
}

void add_living(Before& before, std::unique_ptr<Process> process) {
  const auto& known = before.saved.processes;
  const auto saved = std::find_if(known.begin(), known.end(), [&](const SavedProcess& one) {
    return one.pid == process->pid && one.generation == process->generation;
  });
  if (saved == known.end()) return take_orphan(before, std::move(process));
  process->mailbox = saved->mailbox;
  if (process->release->digest.empty()) process->release = unopened_release(saved->release);
  before.living.push_back(std::move(process));
}

Before find_before(SavedService saved) {
  Before out{.saved = std::move(saved)};
  for (const SavedProcess& process : out.saved.processes) {
    out.awaited = out.awaited || may_live(process);
    auto living = find_process(process);
    if (!living) continue;
    living->release = unopened_release(process.release);
    out.living.push_back(std::move(living));
  }
  for (const SavedVault& one : out.saved.vaults) out.kept = out.kept || answers(one.keeper);
  for (const SavedProcess& one : out.saved.processes) out.kept = out.kept || answers(one.vault);
  return out;
}

ReleasePtr release_of_orphan(pid_t pid, const ServiceConfig& config, const SavedService* known,
                             const std::string& state) {
  const ReleasePtr seen = release_of_process(pid);
  const std::vector<std::string> words = command_of_process(pid);
  std::vector<const SavedRelease*> candidates;
  if (known != nullptr) candidates.push_back(&known->release);
  if (known != nullptr && known->back) candidates.push_back(&*known->back);
  for (const SavedRelease* one : candidates) {
    if (one->digest.empty()) continue;
    // Of a wrapper, the program behind it.
    const bool behind =
        seen && std::any_of(one->files.begin(), one->files.end(), [&](const SavedFile& file) {
          return file.behind && file.digest == seen->program_digest;
        });
    const bool runs_it =
        behind || (seen && seen->program_digest == one->program_digest && seen->args == one->args);
    if (!runs_it && !interprets(words, *one)) continue;
    auto release = reopen_release({.saved = *one,
                                   .pid = pid,
                                   .verify_key = config.verify_key,
                                   .kept = KeptReleases::folder_of(state, config.name)});
    if (release) return std::move(*release);
  }
  return seen ? seen : unopened_release(config.command);
}

}  // namespace handoff::supervisor
