#include "io/supervisor.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

#include "core/suggest.h"
#include "handoff/handoff.h"
#include "io/adoption.h"
#include "io/spawn.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {
constexpr Duration kStatusWait = std::chrono::milliseconds(500);
// For services to come back to a supervisor that has replaced another.
constexpr Duration kReturnWithin = std::chrono::seconds(10);

// What a supervisor passes to its successor in the same process, besides listeners.
constexpr const char* kLock = "@lock";
constexpr const char* kOperators = "@operators";
constexpr const char* kServices = "@services";
constexpr const char* kClient = "@client";
}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::open(uv_loop_t* loop, const Config& config,
                                                     const std::string& path) {
  KeptFds kept = KeptFds::from_environment();
  auto runtime = RuntimeDir::open(path, kept.take(kLock));
  if (!runtime) return Failure(runtime.error());
  auto state = state_path();
  if (!state) return Failure(state.error());
  Journal journal(*state);
  if (const auto opened = journal.open(); !opened) {
    // Services are worth more than their history; it is tried again when there is something to
    // tell.
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
  for (const ServiceConfig& service : config.services) {
    const auto before = std::find_if(saved.services.begin(), saved.services.end(),
                                     [&](const SavedService& s) { return s.name == service.name; });
    const auto added =
        self->add(service, before == saved.services.end() ? nullptr : &*before, kept);
    if (!added) return fail(added.error().code, service.name + ": " + added.error().message);
    if (before != saved.services.end()) saved.services.erase(before);
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
          [this](const ClientPtr& client, const json& request) { serve(client, request); })),
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
      hup_(loop, SIGHUP, [] { spdlog::info("SIGHUP: nothing to reload"); }) {}

// What a living process may still have is not bound anew, and not started a second time: it is
// waited for.
Result<void> Supervisor::add(const ServiceConfig& config, const SavedService* before,
                             KeptFds& kept) {
  Before found;
  if (before != nullptr) {
    found.saved = *before;
    for (const SavedProcess& process : before->processes) {
      auto living = find_process(process);
      if (!living) continue;
      auto release = reopen_release(process.release, process.pid);
      if (!release) {
        spdlog::warn("{}: generation {} can't be started again as it is: {}", config.name,
                     process.generation, release.error().message);
        release = std::make_shared<Release>();
        (*release)->path = process.release.path;
        (*release)->args = process.release.args;
        (*release)->digest = process.release.digest;
        (*release)->name = process.release.name;
      }
      living->release = std::move(*release);
      found.living.push_back(std::move(living));
    }
  }
  Listeners listeners(config.name, config.listen, notify_);
  listeners.take_kept(kept);
  if (found.living.empty()) {
    if (auto bound = listeners.bind_missing(); !bound) return bound;
  }
  ReleasePtr release;
  // What ran goes on, upgrades included; unless the configuration says something else by now.
  if (before != nullptr && before->command == config.command) {
    if (auto again = reopen_release(before->release, 0)) release = std::move(*again);
  }
  if (!release) {
    auto program = find_program(config.command.front());
    if (!program) return Failure(program.error());
    auto opened = open_release(*program, {config.command.begin() + 1, config.command.end()});
    if (!opened) return Failure(opened.error());
    release = std::move(*opened);
  }
  services_.emplace(
      config.name,
      std::make_unique<ServiceRunner>(
          ServiceHost{.loop = loop_,
                      .report_path = runtime_.report_path(),
                      .changed = [this] { changed(); },
                      .save = [this] { return save(); },
                      .record = [this](json record) { return journal_.append(std::move(record)); }},
          config, std::move(listeners), std::move(release)));
  if (before != nullptr) before_.emplace(config.name, std::move(found));
  return {};
}

void Supervisor::start() {
  // Whose last record says that something was asked for.
  std::set<std::string> requested;
  const auto read = journal_.read([&requested](const json& record) {
    const json& name = record.value("service", json());
    if (!name.is_string()) return;
    if (record.value("event", "") == "requested") {
      requested.insert(name.get<std::string>());
    } else {
      requested.erase(name.get<std::string>());
    }
  });
  if (!read) spdlog::warn("{}", read.error().message);
  for (auto& [name, service] : services_) {
    const json status = service->status();
    for (const json& listener : status.at("listeners")) {
      spdlog::info("{}: {} listens on {}", name, listener["name"].get<std::string>(),
                   listener["address"].get<std::string>());
    }
    const auto before = before_.extract(name);
    if (before) {
      service->resume(before.mapped().saved, std::move(before.mapped().living),
                      requested.contains(name));
    } else {
      service->start();
    }
  }
  reaper_.sweep();
  started_ = true;
  if (!self_client_.expired()) self_patience_.at(now() + kReturnWithin);
  changed();
}

Result<void> Supervisor::save() {
  SavedState state{.boot = boot_, .services = foreign_};
  for (const auto& [name, service] : services_) {
    // One that was not resumed yet is as it was.
    const auto before = before_.find(name);
    state.services.push_back(before != before_.end() ? before->second.saved : service->saved());
  }
  std::string text = to_json(state).dump(1) + "\n";
  if (text == saved_) return {};
  auto written = runtime_.save(text);
  if (written) saved_ = std::move(text);
  return written;
}

// ---- what operators ask
// --------------------------------------------------------------------------

void Supervisor::serve(const ClientPtr& client, const json& request) {
  const auto answer = [&client](const json& what) {
    if (const auto reachable = client.lock()) reachable->finish(what);
  };
  const auto command = request.at("command").get<std::string>();
  const std::string name = request.value("service", "");
  std::vector<ServiceRunner*> chosen;
  for (auto& [key, service] : services_) {
    if (name.empty() || key == name) chosen.push_back(service.get());
  }
  if (!name.empty() && chosen.empty()) {
    std::vector<std::string> names;
    for (const auto& [key, service] : services_) names.push_back(key);
    std::string text = "no service \"" + name + "\" here";
    if (const auto near = closest(name, names)) text += "; did you mean \"" + *near + "\"?";
    answer(refusal_json(name, "no_service", text));
    return;
  }
  if (command == "status") {
    serve_status(client, chosen);
    return;
  }
  if (command == "self") {
    serve_self(client, request.value("path", ""));
    return;
  }
  if (name.empty()) {
    answer(refusal_json(name, "bad_request", "the request names no service"));
    return;
  }
  if (stopping_) {
    answer(refusal_json(name, "busy", "the supervisor is stopping"));
    return;
  }
  ServiceRunner& service = *chosen.front();
  if (command == "upgrade") {
    std::optional<std::vector<std::string>> args;
    if (request.contains("args")) args = request.at("args").get<std::vector<std::string>>();
    service.upgrade(request.value("path", ""), std::move(args),
                    timeouts_from(request, service.timeouts()), client);
  } else if (command == "restart") {
    service.restart(timeouts_from(request, service.timeouts()), client);
  } else if (command == "stop") {
    service.stop(false, client);
  } else {
    answer(refusal_json(name, "bad_request", "no command \"" + command + "\""));
  }
}

// One status request: every service that runs is asked, and what has not answered in time is null.
struct Supervisor::StatusRequest {
  ClientPtr client;
  json services = json::array();
  std::size_t missing = 0;
  std::unique_ptr<Timer> timer;
  std::function<void()> done;
};

void Supervisor::serve_status(const ClientPtr& client,
                              const std::vector<ServiceRunner*>& services) {
  auto request = std::make_shared<StatusRequest>();
  StatusRequest* key = request.get();
  request->client = client;
  request->done = [this, key] {
    const auto found = status_requests_.extract(key);
    if (!found) return;
    if (const auto reachable = key->client.lock()) {
      reachable->finish({{"services", std::move(key->services)}});
    }
  };
  status_requests_.emplace(key, request);
  for (ServiceRunner* service : services) {
    const std::size_t index = request->services.size();
    request->services.push_back(service->status());
    const std::weak_ptr<StatusRequest> weak = request;
    const bool asked = service->count_sessions([weak, index](std::uint64_t sessions) {
      const auto waiting = weak.lock();
      if (!waiting) return;
      waiting->services[index]["sessions"] = sessions;
      if (--waiting->missing == 0) waiting->timer->at(now());
    });
    if (asked) ++request->missing;
  }
  request->timer = std::make_unique<Timer>(loop_, request->done);
  request->timer->at(request->missing == 0 ? now() : now() + kStatusWait);
}

// ---- upgrade --self
// ----------------------------------------------------------------------------------

void Supervisor::serve_self(const ClientPtr& client, const std::string& path) {
  const auto refuse = [&client](const std::string& code, const std::string& why) {
    if (const auto reachable = client.lock()) reachable->finish(refusal_json("", code, why));
  };
  if (stopping_) return refuse("busy", "the supervisor is stopping");
  if (self_) return refuse("busy", "another upgrade of the supervisor is under way");
  for (const auto& [name, service] : services_) {
    if (!service->settled()) {
      return refuse("busy", name + " is " + service->state_name() + "; wait until that is over");
    }
  }
  const auto asking = client.lock();
  const auto recorded = journal_.append({{"event", "requested"},
                                         {"service", nullptr},
                                         {"uid", asking ? asking->uid() : -1},
                                         {"path", path.empty() ? own_path() : path}});
  if (!recorded) return refuse("history", recorded.error().message + "; nothing was begun");
  self_ = std::make_unique<SelfUpgrade>(
      loop_, [this, client](const std::string& why) { self_checked(client, why); });
  self_->check(path);
}

void Supervisor::self_checked(const ClientPtr& client, const std::string& why) {
  const auto checked = std::move(self_);
  const auto reachable = client.lock();
  std::string problem = why;
  if (problem.empty()) {
    for (const auto& [name, service] : services_) {
      if (!service->settled()) problem = name + " is " + service->state_name() + " by now";
    }
  }
  if (problem.empty()) {
    if (const auto saved = save(); !saved) problem = saved.error().message;
  }
  if (problem.empty()) {
    std::map<std::string, int> fds{
        {kLock, runtime_.lock()}, {kOperators, control_->fd()}, {kServices, door_.fd()}};
    for (const auto& [name, service] : services_) {
      for (const auto& [listener, fd] : service->listener_fds()) fds[name + "/" + listener] = fd;
    }
    if (reachable) fds[kClient] = reachable->fd();
    spdlog::info("{} takes this process over", checked->path());
    problem = checked->take_over(fds);
  }
  spdlog::error("the supervisor goes on as it is: {}", problem);
  json answer = refusal_json("", "self", problem);
  json record = answer;
  record["event"] = "self";
  record["service"] = nullptr;
  record["path"] = checked->path();
  if (const auto recorded = journal_.append(std::move(record)); !recorded) {
    spdlog::error("{}", recorded.error().message);
  }
  if (reachable) reachable->finish(answer);
}

// The successor's answer, once every service is back.
void Supervisor::self_arrived() {
  json services = json::array();
  for (const auto& [name, service] : services_) {
    services.push_back({{"name", name}, {"state", service->state_name()}});
  }
  const json done{{"event", "done"},
                  {"result", "done"},
                  {"service", nullptr},
                  {"pid", ::getpid()},
                  {"version", HANDOFF_VERSION},
                  {"path", own_path()},
                  {"services", services},
                  {"error", nullptr}};
  json record = done;
  record["event"] = "self";
  if (const auto recorded = journal_.append(std::move(record)); !recorded) {
    spdlog::error("{}", recorded.error().message);
  }
  if (const auto client = self_client_.lock()) client->finish(done);
  self_client_.reset();
  self_patience_.at(std::nullopt);
}

// ---- what happens
// --------------------------------------------------------------------------------

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
  if (stopping_) {
    over_ = idle;
    if (over_ && foreign_.empty()) runtime_.forget();
    if (over_) uv_stop(loop_);
    return;
  }
  if (adopting == 0 && !self_client_.expired()) self_arrived();
  const std::string status =
      fmt::format("{} of {} services running{}", running, services_.size(), others);
  if (running + adopting == services_.size()) {
    notify_.ready(status);
  } else {
    notify_.status(status);
  }
}

void Supervisor::stop_asked(const char* signal) {
  const bool again = std::exchange(stopping_, true);
  if (again) {
    spdlog::warn("{} again: every process is killed", signal);
  } else {
    spdlog::info("{}: stopping all services (once more: at once)", signal);
    notify_.stopping();
  }
  for (auto& [name, service] : services_) service->stop(again, {});
  changed();
}

}  // namespace handoff::supervisor
