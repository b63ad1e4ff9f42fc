#include "io/supervisor.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <utility>

#include "core/suggest.h"
#include "io/spawn.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {
constexpr Duration kStatusWait = std::chrono::milliseconds(500);
}

Result<std::unique_ptr<Supervisor>> Supervisor::open(uv_loop_t* loop, const Config& config,
                                                     const std::string& path) {
  auto runtime = RuntimeDir::open(path);
  if (!runtime) return Failure(runtime.error());
  auto control = runtime->listen();
  if (!control) return Failure(control.error());
  std::unique_ptr<Supervisor> self(new Supervisor(loop, std::move(*runtime), std::move(*control)));
  for (const ServiceConfig& service : config.services) {
    std::vector<Listener> listeners;
    for (const NamedAddress& named : service.listen) {
      auto listener = Listener::open(named);
      if (!listener)
        return fail(listener.error().code, service.name + ": " + listener.error().message);
      listeners.push_back(std::move(*listener));
    }
    auto program = find_program(service.command.front());
    if (!program) return fail(program.error().code, service.name + ": " + program.error().message);
    auto release = open_release(*program, {service.command.begin() + 1, service.command.end()});
    if (!release) return fail(release.error().code, service.name + ": " + release.error().message);
    self->services_.emplace(
        service.name,
        std::make_unique<ServiceRunner>(loop, service, std::move(listeners), std::move(*release),
                                        [raw = self.get()] { raw->changed(); }));
  }
  return self;
}

Supervisor::Supervisor(uv_loop_t* loop, RuntimeDir runtime, UniqueFd control)
    : loop_(loop),
      runtime_(std::move(runtime)),
      control_(std::make_unique<ControlServer>(
          loop, std::move(control),
          [this](const ClientPtr& client, const json& request) { serve(client, request); })),
      reaper_(loop, [this](pid_t pid, const Exit& exit) { child_ended(pid, exit); }),
      term_(loop, SIGTERM, [this] { stop_asked("SIGTERM"); }),
      int_(loop, SIGINT, [this] { stop_asked("SIGINT"); }),
      hup_(loop, SIGHUP, [] { spdlog::info("SIGHUP: nothing to reload"); }) {}

void Supervisor::start() {
  started_ = true;
  for (auto& [name, service] : services_) {
    const json status = service->status();
    for (const json& listener : status.at("listeners")) {
      spdlog::info("{}: {} listens on {}", name, listener["name"].get<std::string>(),
                   listener["address"].get<std::string>());
    }
    service->start();
  }
  changed();
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

// ---- what happens
// --------------------------------------------------------------------------------

void Supervisor::child_ended(pid_t pid, const Exit& exit) {
  for (auto& [name, service] : services_) {
    if (service->ended(pid, exit)) return;
  }
  spdlog::debug("an orphan (pid {}) {}", pid, describe(exit));
}

void Supervisor::changed() {
  if (!started_) return;
  std::size_t running = 0;
  std::string others;
  bool idle = true;
  for (const auto& [name, service] : services_) {
    if (service->state() == Service::State::kRunning) ++running;
    const std::string state = service->state_name();
    if (state != "running") others += (others.empty() ? ": " : ", ") + name + " is " + state;
    idle = idle && service->idle();
  }
  if (stopping_) {
    over_ = idle;
    if (over_) uv_stop(loop_);
    return;
  }
  const std::string status =
      fmt::format("{} of {} services running{}", running, services_.size(), others);
  if (running == services_.size()) {
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
