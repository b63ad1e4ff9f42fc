#include "supervisor/service/service_runner.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "libhandoff/base/scoped_value.h"
#include "supervisor/core/duration.h"
#include "supervisor/host/wall_clock.h"

namespace handoff::supervisor {

using nlohmann::json;

ServiceRunner::ServiceRunner(ServiceHost host, ServiceConfig config, Listeners listeners,
                             ReleasePtr release)
    : host_(std::move(host)),
      config_(std::move(config)),
      release_command_(config_.command),
      listeners_(std::move(listeners)),
      machine_(policy_of(config_)),
      release_(std::move(release)),
      drift_(host_.loop),
      health_(host_.loop, config_.health, [this](HealthHeard heard) { feed(std::move(heard)); }),
      census_(host_.loop, [this] { take_census(); }),
      timer_(host_.loop, [this] { deadline_passed(); }) {}

// Events that come up while effects are applied wait their turn.
void ServiceRunner::feed(Event event) {
  events_.push_back(std::move(event));
  if (stepping_) return;
  try {
    const ScopedValue stepping(stepping_, true);
    while (!events_.empty()) {
      const Event next = std::move(events_.front());
      events_.pop_front();
      for (const Effect& effect : machine_.step(next, now())) {
        std::visit([this](const auto& what) { apply(what); }, effect);
      }
    }
  } catch (...) {
    // Whatever was not done is found out by the deadline that the machine has set for it.
    timer_.at(machine_.deadline());
    throw;
  }
  timer_.at(machine_.deadline());
  look_after_trial();
  if (last_state_ != machine_.state_name()) {
    last_state_ = machine_.state_name();
    const Process* process = current();
    if (machine_.state() == Service::State::kRunning && process != nullptr) {
      spdlog::info("{}: {}: generation {}, release {}, pid {}", name(), last_state_,
                   process->generation, process->release->name, process->pid);
    } else {
      spdlog::info("{}: {}", name(), last_state_);
    }
  }
  host_.changed();
}

// What is said in answer goes to that client.
void ServiceRunner::ask(Event event, const ClientPtr& client) {
  const ScopedValue asked(asking_, &client);
  feed(std::move(event));
}

// What was said, and who exited, in time counts, also if this process was held up. The loop runs
// its timers before it looks at sockets and children, so it is given one more turn to look.
void ServiceRunner::deadline_passed() {
  const auto deadline = machine_.deadline();
  if (std::exchange(looked_for_, deadline) == deadline) {
    feed(Tick{});
  } else {
    timer_.at(now() + std::chrono::milliseconds(1));
  }
}

// ---- requests
// ------------------------------------------------------------------------------------

void ServiceRunner::upgrade(const std::string& path, std::optional<std::vector<std::string>> args,
                            const Timeouts& timeouts, const ClientPtr& client,
                            std::vector<std::uint32_t> shares, Duration pause) {
  want(path, std::move(args));
  command_ = "upgrade";
  request({.to = Probation::Origin::kNew,
           .timeouts = timeouts,
           .shares = std::move(shares),
           .pause = pause},
          client);
}

void ServiceRunner::restart(const Timeouts& timeouts, const ClientPtr& client) {
  wanted_path_ = release_->path;
  command_ = "restart";
  request({.to = Probation::Origin::kSame, .timeouts = timeouts}, client);
}

void ServiceRunner::rollback(const Timeouts& timeouts, const ClientPtr& client) {
  wanted_path_ = back_ ? back_->path : "";
  command_ = "rollback";
  request({.to = Probation::Origin::kBack, .timeouts = timeouts}, client);
}

// Nothing is begun that could not be told afterwards.
void ServiceRunner::request(const HandoffRequested& request, const ClientPtr& client) {
  const auto asking = client.lock();
  asked_by_ = asking ? asking->uid() : -1;
  by_itself_ = false;
  const Release* known = request.to == Probation::Origin::kSame   ? release_.get()
                         : request.to == Probation::Origin::kBack ? back_.get()
                                                                  : nullptr;
  if (const auto why = known != nullptr ? unverified(*known) : ""; !why.empty()) {
    const ScopedValue asked(asking_, &client);
    apply(Refuse{"signature", why});
    return;
  }
  json record{{"event", "requested"},
              {"service", name()},
              {"command", command_},
              {"uid", asked_by_},
              {"path", wanted_path_}};
  if (auto recorded = host_.record(std::move(record)); !recorded) {
    if (asking) {
      asking->finish(refusal_json(name(), "history",
                                  recorded.error().message +
                                      "; nothing was begun: make room there, or set "
                                      "HANDOFF_STATE_DIR to another folder"));
    }
    return;
  }
  ask(request, client);
}

void ServiceRunner::commit(const ClientPtr& client) {
  const auto asking = client.lock();
  asked_by_ = asking ? asking->uid() : -1;
  ask(CommitRequested{}, client);
}

void ServiceRunner::stop(bool at_once, const ClientPtr& client) {
  stop_waiters_.push_back(client);
  feed(StopRequested{at_once});
}

// ---- telling
// -------------------------------------------------------------------------------------

void ServiceRunner::tell(const json& event, bool last) {
  if (const auto client = follower_.lock()) {
    if (last) {
      client->finish(event);
    } else {
      client->send(event);
    }
  }
  if (last) follower_.reset();
}

void ServiceRunner::apply(const Announce& announce) {
  if (announce.begins && announce.phase == "start") {
    if (asking_ != nullptr) follower_ = *asking_;
    asked_at_ = now();
    from_ = party(machine_.upgrading() ? machine_.current() : 0);
    json event = announce_json(name(), announce, {});
    event["from"] = party_json(from_);
    tell(event, false);
    return;
  }
  json event = announce_json(name(), announce, now() - asked_at_);
  if (announce.begins) {
    spdlog::info("{}: {} to generation {}: {}", name(), plan_ ? "rehearsal" : "handoff",
                 to_.generation, announce.phase);
    event["to"] = party_json(party(to_.generation));
  }
  tell(event, false);
}

void ServiceRunner::apply(const Conclude& conclude) {
  const Report& report = conclude.report;
  if (to_release_) to_.release = to_release_->name;
  if (report.rehearsal) {
    conclude_plan(report);
    return;
  }
  if (report.result == Report::Result::kDone) {
    spdlog::info("{}: release {} (generation {}) {}, {} sessions moved", name(), to_.release,
                 to_.generation, report.fresh ? "started" : "took over", report.moved);
  } else {
    spdlog::error("{}: handoff to generation {} {}: {} ({})", name(), to_.generation,
                  report.result == Report::Result::kLost ? "lost sessions" : "failed",
                  report.message, report.code);
  }
  json answer = report_json(name(), report, from_, to_);
  remember(answer);
  answer["state"] = machine_.state_name();
  answer.update(standing());
  tell(answer, true);
  to_release_.reset();
}

// How a handoff ended, for `status` and `history`.
void ServiceRunner::remember(json answer) {
  last_upgrade_ = answer;
  last_upgrade_.erase("event");
  last_upgrade_.erase("service");
  last_upgrade_["at"] = utc(std::chrono::system_clock::now());
  answer["event"] = "upgrade";
  record(std::move(answer));
}

// In the history: what happened, and on whose behalf.
void ServiceRunner::record(json what) {
  what["service"] = name();
  what["uid"] = by_itself_ ? json() : json(asked_by_);
  what["by"] = by_itself_ ? "probation" : "operator";
  if (!command_.empty()) what["command"] = command_;
  if (auto recorded = host_.record(std::move(what)); !recorded) {
    spdlog::error("{}: {}", name(), recorded.error().message);
  }
}

void ServiceRunner::apply(const Refuse& refuse) {
  const bool plan = asking_ != nullptr ? wanted_plan_.has_value() : plan_.has_value();
  spdlog::warn("{}: {} refused: {}", name(), plan ? "plan" : "upgrade", refuse.message);
  json answer = refusal_json(name(), refuse.code, refuse.message);
  if (plan) {
    (void)record_plan(answer);
  } else {
    json what = answer;
    what["event"] = "refused";
    record(std::move(what));
  }
  answer["state"] = machine_.state_name();
  if (asking_ != nullptr) {
    if (const auto client = asking_->lock()) client->finish(answer);
    return;
  }
  ++open_token_;
  plan_.reset();
  tell(answer, true);
}

void ServiceRunner::apply(const ReportStopped&) {
  for (const ClientPtr& waiter : std::exchange(stop_waiters_, {})) {
    if (const auto client = waiter.lock()) {
      client->finish({{"event", "done"}, {"result", "done"}, {"service", name()}});
    }
  }
}

void ServiceRunner::apply(const Note& note) {
  const auto level = note.level == Note::Level::kError     ? spdlog::level::err
                     : note.level == Note::Level::kWarning ? spdlog::level::warn
                                                           : spdlog::level::info;
  spdlog::log(level, "{}: {}", name(), note.text);
}

// ---- what is to be seen
// --------------------------------------------------------------------------

Party ServiceRunner::party(Generation generation) const {
  const auto found = processes_.find(generation);
  if (found == processes_.end()) return {};
  const Process& process = *found->second;
  return {process.release->name, generation, process.pid, process.release->digest,
          process.release->path};
}

const Process* ServiceRunner::current() const {
  const auto found = processes_.find(machine_.current());
  return found == processes_.end() ? nullptr : found->second.get();
}

Process* ServiceRunner::find(Generation generation) {
  const auto found = processes_.find(generation);
  return found == processes_.end() ? nullptr : found->second.get();
}

// Sessions by generation, but for the owner's.
json ServiceRunner::late_json() const {
  json out = json::array();
  for (const auto& [generation, one] : machine_.late().all()) {
    if (one.leaving) continue;
    json late = party_json(party(generation));
    if (late.is_null()) late = {{"generation", generation}};
    late["sessions"] = one.waiting;
    late["moved"] = one.moved;
    late["linked"] = one.linked;
    out.push_back(std::move(late));
  }
  return out;
}

json ServiceRunner::leaving_json() const {
  json out = json::array();
  for (const auto& [generation, one] : machine_.late().all()) {
    if (!one.leaving) continue;
    json leaving = party_json(party(generation));
    out.push_back(leaving.is_null() ? json{{"generation", generation}} : std::move(leaving));
  }
  return out;
}

json ServiceRunner::status() const {
  json listeners = listeners_.json();
  const Process* process = current();
  if (process != nullptr) {
    // Those that it has bound itself.
    for (const NamedFd& named : process->named) {
      if (named.address.empty() || listeners_.has(named.name)) continue;
      listeners.push_back({{"name", named.name}, {"address", named.address}});
    }
  }
  const Release& release = process != nullptr ? *process->release : *release_;
  json out{{"name", name()},
           {"state", machine_.state_name()},
           {"release", nullptr},
           {"digest", nullptr},
           {"generation", nullptr},
           {"pid", nullptr},
           {"sessions", nullptr},
           {"listeners", std::move(listeners)},
           {"path", release.path},
           {"source", release.source},
           {"verified", nullptr},
           {"args", release.args},
           {"since", nullptr},
           {"restarts", machine_.restarts()},
           {"last_upgrade", last_upgrade_},
           {"late", late_json()},
           {"leaving", leaving_json()},
           {"share",
            machine_.progressive().under_way() ? machine_.progressive().share() / 10.0 : 100.0}};
  out.update(standing());
  if (!release.name.empty()) out["release"] = release.name;
  if (!release.digest.empty()) out["digest"] = release.digest;  // else it could not be opened yet
  if (!release.verified.empty()) out["verified"] = release.verified;
  if (process != nullptr) {
    out["generation"] = process->generation;
    out["pid"] = process->pid;
    out["since"] = utc(process->since);
  }
  return out;
}

std::map<std::string, int> ServiceRunner::listener_fds() const {
  std::map<std::string, int> out;
  for (const Listener* listener : listeners_.here()) out[listener->name()] = listener->fd();
  return out;
}

bool ServiceRunner::count_sessions(std::function<void(std::uint64_t)> counted) {
  Process* process = find(machine_.current());
  if (process == nullptr || machine_.state() != Service::State::kRunning) return false;
  // Those of a service that hangs pile up to this many; who asked them has given up long ago.
  if (queries_.size() >= kMaxQueries) queries_.erase(queries_.begin());
  const std::uint64_t id = ++query_;
  queries_[id] = std::move(counted);
  return process->send(protocol::Type::kQuery, encode_query(id));
}

}  // namespace handoff::supervisor
