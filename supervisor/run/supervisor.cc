#include "supervisor/run/supervisor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

#include "supervisor/host/choice.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/spawn.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/reopen.h"
#include "supervisor/releases/unpacker.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// For services to come back to a supervisor that has replaced another.
constexpr Duration kReturnWithin = std::chrono::seconds(10);

// What ran goes on, upgrades included. null: nothing ever ran.
ReleasePtr release_before(const ServiceConfig& config, const SavedService* before,
                          const std::vector<std::unique_ptr<Process>>& living,
                          const std::string& kept) {
  if (before == nullptr || before->release.digest.empty()) return nullptr;
  const SavedRelease& saved = before->release;
  // A process that lives has its file, whatever has become of the path.
  for (const auto& process : living) {
    const Release& its = *process->release;
    if (its.path == saved.path && its.args == saved.args && its.digest == saved.digest &&
        may_run_again(its, config)) {
      return process->release;
    }
  }
  auto again = reopen_release({.saved = saved, .verify_key = config.verify_key, .kept = kept});
  if (again) return std::move(*again);
  spdlog::warn("{}: release {} ran, and can't be opened: {}", config.name, saved.name,
               again.error().message);
  return unopened_release(saved);
}

// What was chosen for it, after all of it had ended. What can't be read is told, and the
// configuration counts.
std::optional<SavedService> choice_of(const ServiceConfig& config, const std::string& state) {
  auto chosen = read_choice(KeptReleases::folder_of(state, config.name), now());
  if (!chosen) {
    spdlog::warn("{}: what was chosen is not known: {}; the configuration counts", config.name,
                 chosen.error().message);
    return std::nullopt;
  }
  if (*chosen && (*chosen)->name != config.name) return std::nullopt;
  return std::move(*chosen);
}

}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::open(uv_loop_t* loop, const Config& config,
                                                     ConfigSource source, WatchOptions watch,
                                                     const std::string& path) {
  KeptFds kept = KeptFds::from_environment();
  auto runtime = RuntimeDir::open(path, kept.take(kLock));
  if (!runtime) return Failure(runtime.error());
  auto state = state_path();
  if (!state) return Failure(state.error());
  Journal journal(*state);
  if (const auto opened = journal.open(); !opened) {
    // A link, or somebody else's file, in its place: nobody is to be told that this is in order.
    if (opened.error().code == -ELOOP || opened.error().code == -EPERM) {
      return Failure(opened.error());
    }
    // Otherwise services are worth more than their history. It is tried again when there is
    // something to tell.
    spdlog::warn("{}; until that can be written, upgrades are refused", opened.error().message);
  }
  auto text = runtime->state();
  if (!text) return Failure(text.error());
  SavedState saved;
  if (!text->empty()) {
    auto parsed = parse_state(*text, runtime->path() + "/state.json");
    if (!parsed) {
      return fail(parsed.error().code,
                  parsed.error().message + "; if none of its services runs any more, remove it");
    }
    // Before a reboot: nothing of it is true any more.
    if (parsed->boot == boot_id()) saved = std::move(*parsed);
  }
  auto operators = runtime->listen_to_operators(kept.take(kOperators));
  if (!operators) return Failure(operators.error());
  auto services = runtime->listen_to_services(kept.take(kServices));
  if (!services) return Failure(services.error());
  std::unique_ptr<Supervisor> self(new Supervisor(loop, std::move(*runtime), std::move(journal),
                                                  std::move(*operators), std::move(*services)));
  self->source_ = std::move(source);
  if (const auto held = hold_unpacker(); !held) spdlog::warn("{}", held.error().message);
  if (watch.all || !watch.services.empty()) self->watching_.emplace(loop, std::move(watch));
  const std::string journal_state = self->journal_.state();
  for (const ServiceConfig& service : config.services) {
    const auto before = std::find_if(saved.services.begin(), saved.services.end(),
                                     [&](const SavedService& s) { return s.name == service.name; });
    const bool known = before != saved.services.end();
    const auto chosen = known ? std::nullopt : choice_of(service, journal_state);
    // What is missing is told when the service is started.
    if (const auto added = self->add(service,
                                     known    ? &*before
                                     : chosen ? &*chosen
                                              : nullptr,
                                     kept);
        !added && !known && !chosen && self->source_.file.empty()) {
      return fail(added.error().code, service.name + ": " + added.error().message);
    }
    if (known) saved.services.erase(before);
  }
  for (SavedService& service : saved.services) {
    std::erase_if(service.processes,
                  [](const SavedProcess& process) { return find_process(process) == nullptr; });
    if (service.processes.empty()) continue;
    spdlog::error(
        "{} is not in the configuration, but its process (pid {}) still runs: it is left alone; "
        "put it back, or end it",
        service.name, service.processes.front().pid);
    self->foreign_.push_back(std::move(service));
  }
  if (UniqueFd client = kept.take(kClient); client.valid()) {
    self->self_client_ = self->control_->adopt(std::move(client));
  }
  for (const auto& [name, fd] : kept.left()) {
    spdlog::warn("{} was kept, and is of no use here: closed", name);
    self->notify_.remove(name);
  }
  return self;
}

Supervisor::Supervisor(uv_loop_t* loop, RuntimeDir runtime, Journal journal, UniqueFd operators,
                       UniqueFd services)
    : loop_(loop),
      runtime_(std::move(runtime)),
      journal_(std::move(journal)),
      boot_(boot_id()),
      control_(std::make_unique<ControlServer>(
          loop, std::move(operators),
          [this](const ClientPtr& client, const Request& request) { serve(client, request); })),
      door_(loop, std::move(services),
            [this](pid_t pid, UniqueFd& fd) {
              for (auto& [name, service] : services_) {
                if (service->returned(pid, fd)) return;
              }
            }),
      self_patience_(loop, [this] { self_arrived(); }),
      reaper_(loop, [this](pid_t pid, const Exit& exit) { child_ended(pid, exit); }),
      term_(loop, SIGTERM, [this] { stop_asked("SIGTERM"); }),
      int_(loop, SIGINT, [this] { stop_asked("SIGINT"); }),
      hup_(loop, SIGHUP, [this] { (void)reload(-1); }) {}

// The service is here afterwards in any case. The error says what is missing, which is tried again
// whenever it is to be started. What a living process may still have is not bound anew, and not
// started a second time: it is waited for.
Result<void> Supervisor::add(const ServiceConfig& config, const SavedService* before,
                             KeptFds& kept) {
  Result<void> problem;
  const std::string kept_releases = KeptReleases::folder_of(journal_.state(), config.name);
  Before found;
  if (before != nullptr) {
    found.saved = *before;
    for (const SavedProcess& process : before->processes) {
      auto living = find_process(process);
      if (!living) continue;
      auto release = reopen_release({.saved = process.release,
                                     .pid = process.pid,
                                     .verify_key = config.verify_key,
                                     .kept = kept_releases});
      if (!release) {
        spdlog::warn("{}: generation {} can't be started again as it is: {}", config.name,
                     process.generation, release.error().message);
        release = unopened_release(process.release);
      }
      living->release = std::move(*release);
      found.living.push_back(std::move(living));
    }
  }
  ReleasePtr release = release_before(config, before, found.living, kept_releases);
  if (!release) {
    release = unopened_release(config.command);
    const auto source = source_of(*release, config);
    auto opened = source ? obtain_release(*source) : Failure(source.error());
    if (opened) {
      release = std::move(*opened);
    } else {
      problem = Failure(opened.error());
    }
  }
  Listeners listeners(config.name, config.listen, notify_);
  listeners.take_kept(kept);
  if (found.living.empty()) {
    if (auto bound = listeners.bind_missing(); !bound && problem) problem = bound;
  }
  services_.emplace(
      config.name,
      std::make_unique<ServiceRunner>(
          ServiceHost{.loop = loop_,
                      .report_path = runtime_.report_path(),
                      .state = journal_.state(),
                      .changed = [this] { changed(); },
                      .save = [this] { return save(); },
                      .record = [this](json record) { return journal_.append(std::move(record)); }},
          config, std::move(listeners), std::move(release)));
  if (before != nullptr) before_.emplace(config.name, std::move(found));
  return problem;
}

void Supervisor::start() {
  // Whose last record says that something was asked for.
  std::set<std::string> requested;
  const auto read = journal_.read([&requested](const json& record) {
    const json name = record.value("service", json());
    if (!name.is_string()) return;
    if (record.value("event", json()) == "requested") {
      requested.insert(name.get<std::string>());
    } else {
      requested.erase(name.get<std::string>());
    }
  });
  if (!read) spdlog::warn("{}", read.error().message);
  for (auto& [name, service] : services_) {
    begin(name, requested.contains(name));
  }
  reaper_.sweep();
  started_ = true;
  if (!self_client_.expired()) self_patience_.at(now() + kReturnWithin);
  changed();
}

void Supervisor::begin(const std::string& name, bool requested) {
  ServiceRunner& service = *services_.at(name);
  const json status = service.status();
  for (const json& listener : status.at("listeners")) {
    spdlog::info("{}: {} listens on {}", name, listener["name"].get<std::string>(),
                 listener["address"].get<std::string>());
  }
  const auto before = before_.extract(name);
  if (before) {
    service.resume(before.mapped().saved, std::move(before.mapped().living), requested);
  } else {
    service.start();
  }
}

Result<void> Supervisor::save() {
  SavedState state{.boot = boot_, .services = foreign_};
  for (const auto& [name, service] : services_) {
    // One that was not resumed yet is as it was.
    const auto before = before_.find(name);
    state.services.push_back(before != before_.end() ? before->second.saved : service->saved());
  }
  // A path need not be UTF-8; that must not stop what is to be kept of the others.
  std::string text = to_json(state).dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  if (text == saved_) return {};
  auto written = runtime_.save(text);
  if (written) saved_ = std::move(text);
  return written;
}

// ---- what happens ---------------------------------------------------------------------------

void Supervisor::child_ended(pid_t pid, const Exit& exit) {
  if (self_ && self_->ended(pid, exit)) return;
  for (auto& [name, service] : services_) {
    if (service->ended(pid, exit)) return;
  }
  spdlog::debug("an orphan (pid {}) {}", pid, describe(exit));
}

void Supervisor::changed() {
  if (!started_) return;
  if (const auto saved = save(); !saved) {
    spdlog::error("{}; should this supervisor die now, the next one will not know all",
                  saved.error().message);
  }
  std::size_t running = 0;
  std::string others;
  bool idle = true;
  std::size_t adopting = 0;  // they serve, too
  for (const auto& [name, service] : services_) {
    if (service->state() == Service::State::kRunning) ++running;
    if (service->state() == Service::State::kAdopting) ++adopting;
    const std::string state = service->state_name();
    if (state != "running") others += (others.empty() ? ": " : ", ") + name + " is " + state;
    idle = idle && service->idle();
  }
  if (watching_ && stopping_) watching_->stop();
  if (watching_ && !stopping_) watching_->follow(services_);
  if (stopping_) {
    over_ = idle;
    for (auto& [name, service] : services_) {
      if (over_) service->keep_choice();
    }
    if (over_ && foreign_.empty()) runtime_.forget();
    if (over_) uv_stop(loop_);
    return;
  }
  if (adopting == 0 && !self_client_.expired()) self_arrived();
  // Ready from here on, whatever becomes of single services: their listeners are bound, and each
  // was started once, or found. One that never comes up must not keep systemd waiting for all.
  notify_.ready(fmt::format("{} of {} services running{}", running, services_.size(), others));
}

void Supervisor::stop_asked(const char* signal) {
  const bool again = std::exchange(stopping_, true);
  if (again) {
    spdlog::warn("{} again: every process is killed", signal);
  } else {
    spdlog::info("{}: stopping all services (once more: at once)", signal);
    notify_.stopping();
  }
  for (auto& [name, service] : services_) service->stop(again, false, {});
  changed();
}

}  // namespace handoff::supervisor
