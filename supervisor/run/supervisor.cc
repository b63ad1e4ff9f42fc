#include "supervisor/run/supervisor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>
#include <utility>

#include "supervisor/host/memory_levels.h"
#include "supervisor/host/unit.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/spawn.h"
#include "supervisor/releases/unpacker.h"
#include "supervisor/releases/vault_reader.h"
#include "supervisor/run/access_notes.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// For services to come back to a supervisor that has replaced another.
constexpr Duration kReturnWithin = std::chrono::seconds(10);
// For one that can't be told from a stranger: a library tries each second at least.
constexpr Duration kAwaited = std::chrono::seconds(3);
// What a stop takes beside the drain: a handoff that has to end first, SIGKILL, a slow disk.
constexpr Duration kAfterDrain = std::chrono::seconds(15);

// A full disk may have no room for a socket, and then there is none yet: it is bound later.
Result<UniqueFd> when_there_is_room(Result<UniqueFd> fd) {
  if (fd || (fd.error().code != -ENOSPC && fd.error().code != -EDQUOT)) return fd;
  spdlog::error("{}", fd.error().message);
  return UniqueFd();
}

}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::open(uv_loop_t* loop, const Config& config,
                                                     ConfigSource source, WatchOptions watch,
                                                     const std::string& path) {
  KeptFds kept = KeptFds::from_environment();
  UniqueFd lock = kept.take(kLock);
  auto runtime = RuntimeDir::open(path, std::move(lock));
  if (!runtime) return Failure(runtime.error());
  auto state = state_path();
  if (!state) return Failure(state.error());
  Journal journal(*state);
  if (const auto opened = journal.open(); !opened) {
    // Services are worth more than their history. It is tried again when there is something to
    // tell.
    spdlog::error("{}; until that is mended, {}", opened.error().message,
                  config.history.required ? "upgrades are refused (history = \"required\")"
                                          : "what happens is in the log, and in no history");
  }
  auto predecessor = Predecessor::read(*runtime, boot_id(), *state, kept.take(kState));
  if (!predecessor) return Failure(predecessor.error());
  auto operators = when_there_is_room(runtime->listen_to_operators(kept.take(kOperators)));
  if (!operators) return Failure(operators.error());
  auto services = when_there_is_room(runtime->listen_to_services(kept.take(kServices)));
  if (!services) return Failure(services.error());
  std::unique_ptr<Supervisor> self(new Supervisor(loop, std::move(*runtime), std::move(journal),
                                                  std::move(*operators), std::move(*services)));
  self->source_ = std::move(source);
  self->unrecorded_ = predecessor->unrecorded();
  if (!self->source_.problem.empty()) {
    spdlog::error(
        "{}; services run by what {} said when it was in force last: mend it, and handoff reload",
        self->source_.problem, self->source_.file);
  }
  for (const ConfigProblem& note : access_notes(config, self->source_.file, *state)) {
    spdlog::warn("{}", note.why);
  }
  if (const auto held = hold_unpacker(); !held) spdlog::warn("{}", held.error().message);
  if (std::ranges::any_of(config.services, &ServiceConfig::vault)) {
    if (const auto held = hold_vault_reader(); !held) spdlog::warn("{}", held.error().message);
  }
  if (watch.all || !watch.services.empty()) self->watching_.emplace(loop, std::move(watch));
  for (const ServiceConfig& service : config.services) {
    auto before = predecessor->take(service);
    const bool known = before.has_value();
    // What is missing is told when the service is started.
    const bool only = self->source_.file.empty();
    if (const auto added = self->try_add(service, std::move(before), kept, only);
        !added && !known && only) {
      return fail(added.error().code, service.name + ": " + added.error().message);
    }
  }
  self->go_on_without_config(*predecessor, kept);
  self->set_history(config.history);
  self->in_force_ = config.text;
  self->keep(config);
  self->foreign_ = predecessor->take_foreign();
  for (const SavedService& service : self->foreign_) {
    spdlog::error(
        "{} is not in the configuration, but its process (pid {}) still runs: it is left alone; "
        "put it back, or end it",
        service.name, service.processes.front().pid);
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
      starts_(loop),
      runtime_(std::move(runtime)),
      journal_(loop, std::move(journal)),
      config_keeper_(loop, journal_.journal().state()),
      boot_(boot_id()),
      state_(
          loop, runtime_, [this] { return state_text(); },
          [](const Error& error) {
            spdlog::error("{}; should this supervisor die now, the next one will not know all",
                          error.message);
          }),
      turn_(loop, [this] { look_around(); }),
      processes_(loop, runtime_.report_path()),
      control_(std::make_unique<ControlServer>(
          loop, std::move(operators),
          [this](const ClientPtr& client, const Request& request) { serve(client, request); })),
      door_(loop, std::move(services),
            {.came = [this](pid_t pid, UniqueFd& fd) { returned(pid, fd); },
             .introduced = [this](pid_t pid, const Introduction& who,
                                  UniqueFd& fd) { introduced(pid, who, fd); },
             .knocked = [this](pid_t pid) { knocked(pid); }}),
      runtime_watch_(loop, runtime_.path(), [this] { return mend_runtime(); }),
      self_patience_(loop, [this] { self_arrived(); }),
      reaper_(loop, [this](pid_t pid, const Exit& exit) { child_ended(pid, exit); }),
      term_(loop, SIGTERM, [this] { stop_asked("SIGTERM"); }),
      int_(loop, SIGINT, [this] { stop_asked("SIGINT"); }),
      hup_(loop, SIGHUP, [this] { ask_reload({}, {}); }),
      reading_(loop) {}

// Whatever is wrong with one service, the others are not to suffer from it.
Result<void> Supervisor::try_add(const ServiceConfig& config, std::optional<Before> before,
                                 KeptFds& kept, bool at_once) {
  try {
    return add(config, open_service(config, std::move(before), at_once), kept);
  } catch (const std::exception& error) {
    spdlog::error("{}: {}", config.name, error.what());
    return fail(-EIO, error.what());
  }
}

// The service is here afterwards in any case. The error says what is missing, which is tried again
// whenever it is to be started. What a living process may still have is not bound anew, and not
// started a second time: it is waited for.
Result<void> Supervisor::add(const ServiceConfig& config, Opened opened, KeptFds& kept) {
  std::optional<Before>& before = opened.before;
  Result<void> problem = std::move(opened.problem);
  Listeners listeners(config.name, config.listen, notify_, runtime_.report_path());
  listeners.take_kept(kept);
  if (!before || (before->living.empty() && !before->awaited && !before->kept)) {
    // As a reload of a stopped service: nothing waits for what the file does not say any more.
    const bool stopped = before && before->saved.machine.rest == Rest::kStopped;
    if (stopped && before->orphans.empty()) listeners.want(config.listen);
    if (auto bound = listeners.bind_missing(); !bound && problem) problem = bound;
  }
  services_.emplace(config.name,
                    std::make_unique<ServiceRunner>(
                        ServiceHost{.loop = loop_,
                                    .starts = &starts_,
                                    .cgroups = &cgroups_,
                                    .list = &processes_,
                                    .report_path = runtime_.report_path(),
                                    .state = journal_.journal().state(),
                                    .changed =
                                        [this, name = config.name] {
                                          saved_.erase(name);
                                          changed();
                                        },
                                    .save =
                                        [this, name = config.name](ServiceHost::Done done) {
                                          saved_.erase(name);
                                          state_.save(std::move(done));
                                        },
                                    .record =
                                        [this](json record, ServiceHost::Done done) {
                                          journal_.append(std::move(record), std::move(done));
                                        },
                                    .try_record =
                                        [this](json record, ServiceHost::Done done) {
                                          journal_.try_append(std::move(record), std::move(done));
                                        },
                                    .history_required = [this] { return history_.required; }},
                        config, std::move(listeners), std::move(opened.release)));
  if (before) before_.emplace(config.name, std::move(*before));
  return problem;
}

// For a supervisor that finds the file broken. What stands in for it by now is kept already.
void Supervisor::keep(const Config& config) {
  if (!config.text.empty()) config_keeper_.keep(source_.file, config.text);
}

void Supervisor::start() {
  const std::set<std::string> requested = catch_up();
  for (auto& [name, service] : services_) {
    try {
      go_on(name, requested.contains(name));
    } catch (const std::exception& error) {
      spdlog::error("{}: it can't be started or adopted: {}", name, error.what());
    }
  }
  reaper_.sweep();
  started_ = true;
  runtime_watch_.start();
  if (!self_client_.expired()) self_patience_.at(now() + kReturnWithin);
  std::size_t listeners = 0;
  for (const auto& [name, service] : services_) listeners += service->config().listen.size();
  tell_unit_faults(loop_, listeners, runtime_.path());
  const std::string together = ends_together(::getpid());
  if (!together.empty()) spdlog::warn("{}", together_fault(together));
  changed();
}

// As the supervisor before this one left it, or from nothing.
void Supervisor::go_on(const std::string& name, bool requested) {
  const auto before = before_.find(name);
  if (before != before_.end() && !before->second.orphans.empty()) {
    (void)awaited_[name];
    return look_at(name, std::exchange(before->second.orphans, {}),
                   [this, name, requested](Processes orphans) {
                     if (stopping_) return;  // they are the next supervisor's
                     const auto waits = before_.find(name);
                     for (auto& one : orphans) {
                       if (waits != before_.end()) {
                         take_orphan(waits->second, std::move(one));
                       } else if (services_.at(name)->takes_orphan(one->generation)) {
                         services_.at(name)->take_orphan(std::move(one));  // another came back
                       }
                     }
                     if (waits != before_.end()) begin(name, requested);
                   });
  }
  const bool awaited =
      before != before_.end() && before->second.awaited && before->second.living.empty();
  if (!awaited) return begin(name, requested);
  spdlog::info("{}: {}", name, kMayRun);
  Awaited& awaits = awaited_[name];
  for (const SavedProcess& process : before->second.saved.processes) {
    if (process.mailbox.empty() || !may_live(process)) continue;
    awaits.calls.push_back(std::make_unique<Call>(
        loop_, process.mailbox, process.pid, Duration::zero(),
        [this, pid = process.pid](UniqueFd fd) { door_.hear(pid, std::move(fd)); }));
  }
  awaits.patience = std::make_unique<Timer>(loop_, [this, name, requested] {
    begin(std::string(name), requested);  // begin() destroys this timer, and name with it
  });
  awaits.patience->at(now() + kAwaited);
}

void Supervisor::begin(const std::string& name, bool requested) {
  ServiceRunner& service = *services_.at(name);
  awaited_.erase(name);
  const json status = service.status();
  for (const json& listener : status.at("listeners")) {
    spdlog::info("{}: {} listens on {}", name, listener["name"].get<std::string>(),
                 listener["address"].get<std::string>());
  }
  const auto before = before_.extract(name);
  if (before && service.state() == Service::State::kStopped) {
    service.resume(before.mapped().saved, std::move(before.mapped().living), requested);
  } else {
    service.start();
  }
}

// A service that has not changed says what it said, so one change costs as much as one service.
std::string Supervisor::state_text() {
  std::vector<std::string_view> services;
  std::vector<std::string> others;
  others.reserve(foreign_.size());
  for (const SavedService& service : foreign_) others.push_back(state_text_of(service));
  for (const auto& [name, service] : services_) {
    std::string& text = saved_[name];
    if (text.empty() || before_.contains(name)) text = state_text_of(saved(name));
    services.push_back(text);
  }
  services.insert(services.end(), others.begin(), others.end());
  return whole_state_text(boot_, services);
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
  state_.changed();
  turn_.at(now());
}

// Once for all that has changed in a turn.
void Supervisor::look_around() {
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
    over_ = idle && reloads_.empty();
    if (over_) end();
    return;
  }
  config_keeper_.look();
  if (adopting == 0 && !self_client_.expired()) self_arrived();
  // Ready from here on, whatever becomes of single services: their listeners are bound, and each
  // was found, or is being started. One that never comes up must not keep systemd waiting for all.
  notify_.ready(fmt::format("{} of {} services running{}", running, services_.size(), others));
}

void Supervisor::end() {
  for (auto& [name, service] : services_) service->keep_choice();
  // A client that still waits for an answer gets it after that.
  (void)state_.save_now();
  journal_.flush();
  if (const std::size_t lost = journal_.waiting().size(); lost > 0) {
    spdlog::error("{} records could not be written to the history, and are in the log alone", lost);
  }
  if (foreign_.empty() && awaited_.empty()) runtime_.forget();
  uv_stop(loop_);
}

void Supervisor::stop_asked(const char* signal) {
  const bool again = std::exchange(stopping_, true);
  if (again) {
    spdlog::warn("{} again: every process is killed", signal);
  } else {
    spdlog::info("{}: stopping all services (once more: at once)", signal);
    Duration drain{};
    for (const auto& [name, service] : services_) {
      drain = std::max(drain, service->timeouts().drain);
    }
    notify_.stopping(drain + kAfterDrain);
  }
  for (auto& [name, awaited] : awaited_) {
    if (std::exchange(awaited, {}).patience == nullptr) continue;
    spdlog::warn("{} may still run, and is left to the next supervisor", name);
  }
  for (auto& [name, service] : services_) service->stop(again, false, {});
  changed();
}

}  // namespace handoff::supervisor
