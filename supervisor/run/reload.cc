// The part of Supervisor that reads its configuration again. First everything that can fail: on a
// thread the file is read and understood, and the programs of new services are opened; then these
// get their listeners, and the history has its record. Up to there nothing has changed, and a
// failure leaves no trace (invariant I5, docs/invariants.md). Of what follows only options of
// listeners can fail: then the answer and the history say which.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "supervisor/config/config_change.h"
#include "supervisor/run/supervisor.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

using When = ConfigChange::When;

// "chat: drain: 30.0 s -> 1 min 00 s"; a key of the supervisor's has no service.
std::string change_text(const json& line) {
  std::string out;
  if (line.at("service").is_string()) out = line["service"].get<std::string>() + ": ";
  out += line.at("key").is_string() ? line["key"].get<std::string>() : "service";
  return out + ": " + line.at("message").get<std::string>();
}

const ServiceConfig* find(const Config& config, const std::string& name) {
  const auto found =
      std::find_if(config.services.begin(), config.services.end(),
                   [&](const ServiceConfig& service) { return service.name == name; });
  return found == config.services.end() ? nullptr : &*found;
}

// In place of what says that it is.
void not_set(std::vector<ConfigChange>& changes, ConfigChange change) {
  for (ConfigChange& one : changes) {
    if (one.service != change.service || one.key != change.key || one.what != kOptionsAreSet) {
      continue;
    }
    one = std::move(change);
    return;
  }
  changes.push_back(std::move(change));
}

// failures: what was to be done and could not be; the rest is done.
json answer_to_reload(const std::string& file, const std::vector<ConfigChange>& changes,
                      const std::vector<std::string>& failures) {
  json out{{"event", "done"},
           {"result", failures.empty() ? "done" : "failed"},
           {"service", nullptr},
           {"path", file},
           {"error", nullptr}};
  out.update(changes_json(changes));
  std::string message;
  for (const std::string& one : failures) message += (message.empty() ? "" : "; ") + one;
  if (!failures.empty()) out["error"] = {{"code", "partly"}, {"message", message}};
  return out;
}

}  // namespace

// What the thread is given, and what it finds.
struct Supervisor::Reading {
  std::function<Result<Config>()> read;
  std::set<std::string> here;         // services
  std::vector<SavedService> foreign;  // of the supervisor before this one
  Result<Config> config = fail(-ECANCELED, "not read");
  std::map<std::string, Opened> opened;  // by name: services that are new

  void run() {
    try {
      config = read();
      if (!config) return;
      for (const ServiceConfig& service : config->services) {
        if (!here.contains(service.name)) opened.emplace(service.name, open(service));
      }
    } catch (const std::exception& error) {
      config = fail(-ENOMEM, error.what());
    }
  }
  Opened open(const ServiceConfig& service) const {
    std::optional<Before> before;
    for (const SavedService& one : foreign) {
      if (one.name == service.name) before = find_before(one);
    }
    return open_service(service, std::move(before), true);
  }
};

void Supervisor::serve_reload(const ClientPtr& client) { ask_reload(client, who_of(client)); }

// One after the other: each reads the file after it was asked for.
void Supervisor::ask_reload(const ClientPtr& client, const Who& who) {
  reloads_.push_back({client, who});
  if (reloads_.size() == 1) begin_reload();
}

void Supervisor::begin_reload() {
  if (const auto may = may_reload(); !may) return end_reload(Failure(may.error()));
  const auto reading = std::make_shared<Reading>();
  reading->read = source_.read;
  for (const auto& [name, service] : services_) reading->here.insert(name);
  reading->foreign = foreign_;
  reading_.run([reading] { reading->run(); },
               [this, reading] {
                 Result<json> done = fail(-EIO, "not done");
                 try {
                   done = take_config(*reading, reloads_.front().who);
                 } catch (const std::exception& error) {
                   done = fail(-EIO, error.what());
                 }
                 end_reload(std::move(done));
               });
}

void Supervisor::end_reload(Result<json> done) {
  const Reload asked = std::move(reloads_.front());
  reloads_.pop_front();
  const json answer = told(std::move(done), asked.who);
  if (const auto asking = asked.client.lock()) asking->finish(answer);
  if (!reloads_.empty()) return begin_reload();
  if (stopping_) changed();
}

// The answer, once the log has it. The history gets it as soon as the disk takes it.
json Supervisor::told(Result<json> done, const Who& who) {
  if (done) {
    if (const json& error = done->at("error"); !error.is_null()) {
      spdlog::error("reload: {}", error.at("message").get<std::string>());
    }
    for (const json& line : done->at("changed")) spdlog::info("reload: {}", change_text(line));
    for (const json& line : done->at("unchanged")) spdlog::warn("reload: {}", change_text(line));
    spdlog::info("{} was read again", source_.file);
    return std::move(*done);
  }
  std::string why = done.error().message;
  if (!source_.problem.empty()) why += "; services run by what it said when it was in force last";
  spdlog::error("reload: {}; everything stays as it is", why);
  json answer = refusal_json("", "reload", why);
  json record = answer;
  record.update({{"event", "reload"}, {"service", nullptr}, {"path", source_.file}});
  put_who(record, who);
  journal_.append(std::move(record), {});
  return answer;
}

Result<void> Supervisor::may_reload() const {
  if (stopping_) return fail(-EBUSY, "the supervisor is stopping");
  if (self_) return fail(-EBUSY, "an upgrade of the supervisor is under way");
  if (source_.file.empty()) {
    return fail(-EINVAL,
                "this supervisor has no config to read again: it was started with --name and a "
                "command; started with --config FILE it would");
  }
  return {};
}

Result<json> Supervisor::take_config(Reading& read, const Who& who) {
  if (const auto may = may_reload(); !may) return Failure(may.error());
  const Result<Config>& config = read.config;
  if (!config) return Failure(config.error());
  std::vector<std::string> added;
  const auto undo = [&] {
    for (const std::string& name : added) {
      before_.erase(name);
      services_.at(name)->close_listeners();
      services_.erase(name);
    }
  };
  if (const auto opened = add_new(read, added); !opened) {
    undo();
    return Failure(opened.error());
  }
  std::vector<ConfigChange> changes = change_history(history_, config->history);
  std::vector<std::string> failures;
  std::map<std::string, ServiceConfig> outcomes;
  std::vector<std::string> gone;
  for (const auto& [name, service] : services_) {
    const ServiceConfig* wanted = find(*config, name);
    for (const Listeners::Mended& one : service->mend_paths()) {
      changes.push_back({name, "listen." + one.name, one.done ? When::kNow : When::kNot, one.what});
      if (!one.done) failures.push_back(name + ": listener " + one.name + ": " + one.what);
    }
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
  const auto record = [&] {
    json out = answer_to_reload(source_.file, changes, failures);
    out["event"] = "reload";
    put_who(out, who);
    return out;
  };
  // By the configuration that is to be in force: one that no longer requires it is taken.
  const bool recorded_before = config->history.required;
  if (recorded_before) {
    if (const auto recorded = journal_.try_append_now(record()); !recorded) {
      undo();
      return Failure(recorded.error());
    }
  }
  const std::size_t failed_before = failures.size();
  set_history(config->history);
  std::erase_if(foreign_,
                [&](const SavedService& service) { return services_.contains(service.name); });
  source_.problem.clear();
  note_unnamed(*config);
  keep(*config);
  for (auto& [name, outcome] : outcomes) {
    for (const Listeners::Mended& one : services_.at(name)->reconfigure(std::move(outcome))) {
      not_set(changes, {name, "listen." + one.name, When::kNot, one.what});
      failures.push_back(name + ": " + one.what);
    }
  }
  // Once more, if it was not as the history had it.
  if (!recorded_before || failures.size() > failed_before) journal_.append(record(), {});
  for (const std::string& name : gone) {
    unnamed_.erase(name);
    services_.at(name)->close_listeners();
    services_.at(name)->forget();
    services_.erase(name);
  }
  for (const std::string& name : added) begin(name, false);
  changed();
  return answer_to_reload(source_.file, changes, failures);
}

// Adds the services that are not here yet, with what the supervisor before this one has left behind
// of them. added names those that are here by now, also the one that an error is about.
Result<void> Supervisor::add_new(Reading& read, std::vector<std::string>& added) {
  KeptFds none;
  for (const ServiceConfig& service : read.config->services) {
    const auto opened = read.opened.extract(service.name);
    if (!opened) continue;
    const auto done = add(service, std::move(opened.mapped()), none);
    added.push_back(service.name);
    if (!done) return fail(done.error().code, service.name + ": " + done.error().message);
  }
  return {};
}

}  // namespace handoff::supervisor
