// The part of Supervisor that operators speak with: what they ask, and the answers.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "handoff/handoff.h"
#include "libhandoff/sys/memory.h"
#include "supervisor/core/suggest.h"
#include "supervisor/host/own_path.h"
#include "supervisor/run/supervisor.h"
#include "supervisor/self/started_path.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {
constexpr Duration kStatusWait = std::chrono::milliseconds(500);
// Of many services one may always be busy, and an overview is wanted at once.
constexpr std::size_t kMany = 8;
constexpr Duration kOverviewWait = std::chrono::milliseconds(30);
}  // namespace

// ---- what operators ask ---------------------------------------------------------------------

void Supervisor::serve(const ClientPtr& client, const Request& request) {
  const auto answer = [&client](const json& what) {
    if (const auto reachable = client.lock()) reachable->finish(what);
  };
  const std::string& name = request.service;
  std::vector<ServiceRunner*> chosen;
  for (auto& [key, service] : services_) {
    if (name.empty() || key == name) chosen.push_back(service.get());
  }
  if (!name.empty() && chosen.empty()) {
    std::vector<std::string> names;
    names.reserve(services_.size());
    for (const auto& [key, service] : services_) names.push_back(key);
    std::string text = "no service \"" + name + "\" here";
    if (const auto near = closest(name, names)) text += "; did you mean \"" + *near + "\"?";
    answer(refusal_json(name, "no_service", text));
    return;
  }
  switch (request.command) {
    case Request::Command::kStatus:
      return serve_status(client, chosen);
    case Request::Command::kHistory:
      return serve_history(client);
    case Request::Command::kReload:
      return serve_reload(client);
    case Request::Command::kSelf:
      return serve_self(client, request.path, request.allow_downgrade);
    default:
      break;
  }
  if (stopping_) {
    answer(refusal_json(name, "busy", "the supervisor is stopping"));
    return;
  }
  const std::string& service = chosen.front()->name();
  if (awaited_.contains(service)) {
    answer(refusal_json(service, "busy",
                        service + " may still run, and is waited for; try again in a moment"));
    return;
  }
  serve(*chosen.front(), client, request);
}

// What concerns one service.
void Supervisor::serve(ServiceRunner& service, const ClientPtr& client, const Request& request) {
  const Timeouts timeouts = request.timeouts.over(service.timeouts());
  const Named named{request.path, request.args, request.allow_downgrade, request.ignore_memory,
                    request.one_way};
  switch (request.command) {
    case Request::Command::kUpgrade:
      if (request.configured) {
        return service.upgrade_to_configured(named, timeouts, client);
      }
      return service.upgrade(named, timeouts, client, request.shares, request.pause);
    case Request::Command::kPlan:
      return service.plan(named, timeouts, client);
    case Request::Command::kDropPlan:
      return service.drop_plan(client);
    case Request::Command::kRestart:
      return service.restart(request.ignore_memory, timeouts, client);
    case Request::Command::kRollback:
      return service.rollback(request.ignore_memory, timeouts, client);
    case Request::Command::kCommit:
      return service.commit(client);
    case Request::Command::kStop:
      return service.stop(false, true, client);
    case Request::Command::kStatus:
    case Request::Command::kHistory:
    case Request::Command::kReload:
    case Request::Command::kSelf:
      return;  // of the supervisor as a whole
  }
}

// One status request: every service that runs is asked, and what has not answered in time is null.
struct Supervisor::StatusRequest {
  ClientPtr client;
  json services = json::array();
  json config;  // the file, and why it is not in force
  std::size_t missing = 0;
  std::unique_ptr<Timer> timer;
  std::function<void()> done;
};

void Supervisor::serve_status(const ClientPtr& client,
                              const std::vector<ServiceRunner*>& services) {
  config_keeper_.look();
  auto request = std::make_shared<StatusRequest>();
  StatusRequest* key = request.get();
  request->client = client;
  if (!source_.file.empty()) {
    request->config = {{"file", source_.file}, {"problem", nullptr}};
    if (!source_.problem.empty()) request->config["problem"] = source_.problem;
  }
  request->done = [this, key] {
    const auto found = status_requests_.extract(key);
    if (!found) return;
    if (const auto reachable = key->client.lock()) {
      reachable->finish({{"services", std::move(key->services)},
                         {"config", std::move(key->config)},
                         {"history", history_json()}});
    }
  };
  status_requests_.emplace(key, request);
  for (ServiceRunner* service : services) {
    const std::size_t index = request->services.size();
    request->services.push_back(service->status());
    if (awaited_.contains(service->name())) {
      json& one = request->services.back();
      one["state"] = "adopting";
      one["problem"] = {{"message", kMayRun}, {"next_start", nullptr}, {"next_start_ms", nullptr}};
    }
    const std::weak_ptr<StatusRequest> weak = request;
    const bool asked = service->count_sessions([weak, index](std::uint64_t sessions) {
      const auto waiting = weak.lock();
      if (!waiting) return;
      waiting->services[index]["sessions"] = sessions;
      if (--waiting->missing == 0) waiting->timer->at(now());
    });
    if (asked) ++request->missing;
    request->services[index]["children"] = nullptr;
    // Each look compares all processes of the host with those of one service.
    if (services.size() <= kMany) {
      ++request->missing;
      service->tell_children([weak, index](json children) {
        const auto waiting = weak.lock();
        if (!waiting) return;
        waiting->services[index]["children"] = std::move(children);
        if (--waiting->missing == 0) waiting->timer->at(now());
      });
    }
    request->services[index]["drift"] = nullptr;
    request->services[index]["drifted"] = json::array();
    request->services[index]["in_config"] = !unnamed_.contains(service->name());
    // Of what was never opened nobody knows what it was.
    if (request->services[index].at("digest").is_null()) continue;
    const auto drift = service->drift([weak, index](bool drifted) {
      const auto waiting = weak.lock();
      if (!waiting) return;
      waiting->services[index]["drift"] = drifted;
      if (!drifted) waiting->services[index]["drifted"] = json::array();
      if (--waiting->missing == 0) waiting->timer->at(now());
    });
    if (drift) request->services[index]["drift"] = *drift;
    if (drift != false) request->services[index]["drifted"] = altered_files(service->present());
    if (!drift) ++request->missing;
  }
  request->timer = std::make_unique<Timer>(loop_, request->done);
  const Duration wait = services.size() > kMany ? kOverviewWait : kStatusWait;
  request->timer->at(request->missing == 0 ? now() : now() + wait);
}

json Supervisor::history_json() const {
  json out{{"file", journal_path(journal_.journal().state())},
           {"problem", nullptr},
           {"required", history_.required},
           {"waiting", journal_.waiting().size()}};
  if (!journal_.problem().empty()) out["problem"] = journal_.problem();
  return out;
}

// A command reads the files itself: no more than these two users may ask, and both may read them.
// So a long history holds up no service. What waits for the disk is told here.
void Supervisor::serve_history(const ClientPtr& client) {
  const auto reachable = client.lock();
  if (!reachable) return;
  json answer = history_json();
  answer.update({{"event", "done"},
                 {"result", "done"},
                 {"state", journal_.journal().state()},
                 {"unwritten", journal_.waiting()},
                 {"error", nullptr}});
  reachable->finish(answer);
}

// ---- upgrade --self -------------------------------------------------------------------------

void Supervisor::serve_self(const ClientPtr& client, const std::string& path,
                            bool allow_downgrade) {
  const auto refuse = [&client](const std::string& code, const std::string& why) {
    if (const auto reachable = client.lock()) reachable->finish(refusal_json("", code, why));
  };
  if (stopping_) return refuse("busy", "the supervisor is stopping");
  if (self_) return refuse("busy", "another upgrade of the supervisor is under way");
  if (!reloads_.empty()) return refuse("busy", "a reload is under way; wait until that is over");
  for (const auto& [name, service] : services_) {
    if (const std::string why = service->in_motion(); !why.empty()) {
      return refuse("busy", why + "; wait until that is over");
    }
  }
  // The one that is tried reads it. Where it can't be written, what is there will do.
  (void)state_.save_now();
  self_ = std::make_unique<SelfUpgrade>(
      loop_, [this, client](const std::string& why) { self_checked(client, why); });
  record_self(client, path, allow_downgrade);
}

void Supervisor::record_self(const ClientPtr& client, const std::string& path,
                             bool allow_downgrade) {
  json record{
      {"event", "requested"}, {"service", nullptr}, {"path", path.empty() ? started_path() : path}};
  put_who(record, who_of(client));
  journal_.try_append(
      record, [this, client, path, allow_downgrade, record](const Result<void>& recorded) {
        if (!recorded) {
          if (history_.required && !Journal::is_not_ours(recorded.error())) {
            return drop_self(
                client, "history",
                recorded.error().message + ", and history = \"required\": make room there");
          }
          journal_.append(record, {});
        }
        check_self(client, path, allow_downgrade);
      });
}

void Supervisor::check_self(const ClientPtr& client, const std::string& path,
                            bool allow_downgrade) {
  if (stopping_) return drop_self(client, "busy", "the supervisor is stopping");
  try {
    std::set<std::string> keys;
    for (const auto& [name, service] : services_) {
      if (const auto& key = service->config().verify_key; !key.empty()) keys.insert(key);
    }
    self_->check(path, {{keys.begin(), keys.end()}, allow_downgrade});
  } catch (const std::exception& error) {
    drop_self(client, "self", error.what());
  }
}

void Supervisor::drop_self(const ClientPtr& client, const std::string& code,
                           const std::string& why) {
  self_.reset();
  if (const auto reachable = client.lock()) {
    reachable->finish(refusal_json("", code, why + "; nothing was begun"));
  }
}

void Supervisor::self_checked(const ClientPtr& client, const std::string& why) {
  const auto checked = std::move(self_);
  const auto reachable = client.lock();
  std::string problem = why;
  if (problem.empty()) {
    for (const auto& [name, service] : services_) {
      if (const std::string is = service->in_motion(); !is.empty()) problem = is + " by now";
    }
  }
  UniqueFd state;
  if (problem.empty()) {
    // What a thread still writes would end with this program.
    journal_.flush();
    const auto saved = state_.save_now();
    // The successor takes it as it is now, so that no disk has to have room for it.
    auto blob = io::make_blob(std::array{std::string_view(state_text())});
    if (blob) state = std::move(*blob);
    if (!saved && !(state.valid() && checked->takes_state())) problem = saved.error().message;
  }
  if (problem.empty()) {
    std::map<std::string, int> fds{{kLock, runtime_.lock()}};
    if (state.valid()) fds[kState] = state.get();
    // A socket that found no room on a full disk yet is bound by the successor.
    if (control_->fd() >= 0) fds[kOperators] = control_->fd();
    if (door_.fd() >= 0) fds[kServices] = door_.fd();
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
  journal_.append(std::move(record), {});
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
  journal_.append(std::move(record), {});
  if (const auto client = self_client_.lock()) client->finish(done);
  self_client_.reset();
  self_patience_.at(std::nullopt);
}

}  // namespace handoff::supervisor
