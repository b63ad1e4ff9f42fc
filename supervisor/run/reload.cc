// The part of Supervisor that reads its configuration again. First everything that can fail: the
// file is read and understood, new services get their listeners and their programs, the history has
// its record. Up to there nothing has changed, and a failure leaves no trace (invariant I5,
// docs/invariants.md). What follows can't fail.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "supervisor/config/config_change.h"
#include "supervisor/run/supervisor.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

using When = ConfigChange::When;

const ServiceConfig* find(const Config& config, const std::string& name) {
  const auto found =
      std::find_if(config.services.begin(), config.services.end(),
                   [&](const ServiceConfig& service) { return service.name == name; });
  return found == config.services.end() ? nullptr : &*found;
}

}  // namespace

void Supervisor::serve_reload(const ClientPtr& client) {
  const auto asking = client.lock();
  const json answer = reload(asking ? asking->uid() : -1);
  if (asking) asking->finish(answer);
}

// uid: of who asks; -1 for a signal.
json Supervisor::reload(int uid) {
  auto done = try_reload(uid);
  if (done) {
    for (const json& line : done->at("changed")) {
      spdlog::info("reload: {}: {}: {}", line.at("service").get<std::string>(),
                   line.at("key").is_null() ? "service" : line.at("key").get<std::string>(),
                   line.at("message").get<std::string>());
    }
    for (const json& line : done->at("unchanged")) {
      spdlog::warn("reload: {}: {}: {}", line.at("service").get<std::string>(),
                   line.at("key").is_null() ? "service" : line.at("key").get<std::string>(),
                   line.at("message").get<std::string>());
    }
    spdlog::info("{} was read again", source_.file);
    return std::move(*done);
  }
  std::string why = done.error().message;
  if (!source_.problem.empty()) why += "; services run by what it said when it was in force last";
  spdlog::error("reload: {}; everything stays as it is", why);
  json answer = refusal_json("", "reload", why);
  json record = answer;
  record.update({{"event", "reload"}, {"service", nullptr}, {"uid", uid}, {"path", source_.file}});
  if (const auto recorded = journal_.append_now(std::move(record)); !recorded) {
    spdlog::error("{}", recorded.error().message);
  }
  return answer;
}

Result<json> Supervisor::try_reload(int uid) {
  if (stopping_) return fail(-EBUSY, "the supervisor is stopping");
  if (self_) return fail(-EBUSY, "an upgrade of the supervisor is under way");
  if (source_.file.empty()) {
    return fail(-EINVAL,
                "this supervisor has no config to read again: it was started with --name and a "
                "command; started with --config FILE it would");
  }
  const auto config = source_.read();
  if (!config) return Failure(config.error());
  std::vector<std::string> added;
  const auto undo = [&] {
    for (const std::string& name : added) {
      if (const auto before = before_.extract(name)) {
        foreign_.push_back(before.mapped().saved);
      }
      services_.at(name)->close_listeners();
      services_.erase(name);
    }
  };
  if (const auto opened = add_new(*config, added); !opened) {
    undo();
    return Failure(opened.error());
  }
  std::vector<ConfigChange> changes;
  std::map<std::string, ServiceConfig> outcomes;
  std::vector<std::string> gone;
  for (const auto& [name, service] : services_) {
    const ServiceConfig* wanted = find(*config, name);
    if (std::find(added.begin(), added.end(), name) != added.end()) {
      changes.push_back({name, "", When::kNow, "new: it is started"});
    } else if (wanted != nullptr) {
      ConfigOutcome outcome =
          change_config(service->config(), *wanted, idle(*service), service->never_opened());
      changes.insert(changes.end(), outcome.changes.begin(), outcome.changes.end());
      if (service->config().command == wanted->command && !service->is_configured(*wanted)) {
        changes.push_back({name, "command", When::kNot,
                           "what runs is " + service->source() +
                               ", as it was chosen: handoff upgrade --config " + name});
      }
      outcomes.emplace(name, std::move(outcome.config));
    } else if (idle(*service)) {
      changes.push_back({name, "", When::kNow, "no longer in the file, and stopped: forgotten"});
      gone.push_back(name);
    } else {
      changes.push_back(
          {name, "", When::kNot,
           "no longer in the file, and still running: handoff stop " + name + ", handoff reload"});
    }
  }
  json answer{{"event", "done"},
              {"result", "done"},
              {"service", nullptr},
              {"path", source_.file},
              {"error", nullptr}};
  answer.update(changes_json(changes));
  json record = answer;
  record.update({{"event", "reload"}, {"uid", uid}});
  if (const auto recorded = journal_.append_now(std::move(record)); !recorded) {
    undo();
    return Failure(recorded.error());
  }
  source_.problem.clear();
  note_unnamed(*config);
  keep(*config);
  for (auto& [name, outcome] : outcomes) services_.at(name)->reconfigure(std::move(outcome));
  for (const std::string& name : gone) {
    unnamed_.erase(name);
    services_.at(name)->close_listeners();
    services_.at(name)->forget();
    services_.erase(name);
  }
  for (const std::string& name : added) begin(name, false);
  changed();
  return answer;
}

// Adds the services that are not here yet, and adopts what the supervisor before this one has left
// behind of them. added names those that are here by now, also the one that an error is about.
Result<void> Supervisor::add_new(const Config& config, std::vector<std::string>& added) {
  KeptFds none;
  for (const ServiceConfig& service : config.services) {
    if (services_.contains(service.name)) continue;
    const auto before = std::find_if(foreign_.begin(), foreign_.end(),
                                     [&](const SavedService& s) { return s.name == service.name; });
    std::optional<Before> found;
    if (before != foreign_.end()) {
      found = find_before(std::move(*before), service, journal_.journal().state());
      foreign_.erase(before);
    }
    const auto opened = add(service, std::move(found), none, true);
    added.push_back(service.name);
    if (!opened) return fail(opened.error().code, service.name + ": " + opened.error().message);
  }
  return {};
}

}  // namespace handoff::supervisor
