#include "supervisor/service/service_runner.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "libhandoff/base/scoped_value.h"
#include "supervisor/service/service_policy.h"
#include "supervisor/service/service_status.h"

namespace handoff::supervisor {
namespace {

Party party_of(const SavedService& saved, Generation generation) {
  for (const SavedProcess& process : saved.processes) {
    if (process.generation != generation) continue;
    return {process.release.name, generation, process.pid, process.release.digest,
            process.release.path};
  }
  return {.generation = generation};
}

}  // namespace

ServiceRunner::ServiceRunner(ServiceHost host, ServiceConfig config, Listeners listeners,
                             ReleasePtr release)
    : host_(std::move(host)),
      config_(std::move(config)),
      listeners_(std::move(listeners)),
      machine_(policy_of(config_)),
      releases_(host_, config_, std::move(release)),
      processes_(host_, config_, listeners_,
                 {.happened = [this](Event event) { feed(std::move(event)); },
                  .heard = [this](Generation generation,
                                  Heard what) { heard(generation, std::move(what)); },
                  .owner = [this] { return machine_.current(); },
                  .not_started = [this](Generation generation,
                                        const Error& why) { not_started(generation, why); }}),
      orders_(processes_, config_, [this](Event event) { feed(std::move(event)); }),
      keeper_(host_, config_.name),
      telling_(host_, config_.name),
      answers_(config_.name, machine_, releases_, processes_, telling_),
      trial_(
          host_.loop, config_.health, [this](HealthHeard heard) { feed(std::move(heard)); },
          [this] {
            feed(Asked{machine_.on_trial()});
            (void)count_sessions([](std::uint64_t) {});
          }),  // heard() feeds the answer
      timer_(host_.loop, [this] { deadline_passed(); }) {}

void ServiceRunner::reconfigure(ServiceConfig config) {
  config_ = std::move(config);
  releases_.reconfigured();
  machine_.set_policy(policy_of(config_));
  listeners_.want(config_.listen);
  trial_.set_check(config_.health);
  look_after_trial();
}

// ---- events ---------------------------------------------------------------------------------

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
  look_at_owner();
  look_after_trial();
  look_after_choice();
  if (last_state_ != machine_.state_name()) {
    last_state_ = machine_.state_name();
    const Process* process = processes_.owner();
    if (machine_.state() == Service::State::kRunning && process != nullptr) {
      spdlog::info("{}: {}: generation {}, release {}, pid {}", name(), last_state_,
                   process->generation, process->release->name, process->pid);
    } else {
      spdlog::info("{}: {}", name(), last_state_);
    }
  }
  host_.changed();
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

void ServiceRunner::heard(Generation generation, Heard what) {
  if (const auto* counted = std::get_if<SessionsCounted>(&what.aside)) {
    if (generation == machine_.on_trial()) {
      what.events.emplace_back(Counted{generation, counted->sessions, counted->errors});
    }
  } else if (auto* found = std::get_if<protocol::Rehearsed>(&what.aside)) {
    answers_.take_findings(generation, std::move(*found));
  }
  for (Event& event : what.events) feed(std::move(event));
}

bool ServiceRunner::ended(pid_t pid, const Exit& exit) {
  return trial_.ended(pid, exit) || processes_.ended(pid, exit);
}

void ServiceRunner::look_after_trial() {
  trial_.watch(processes_.find(machine_.on_trial()), config_.health, listeners_);
}

// What never ran was never chosen: it may have been a slip.
void ServiceRunner::look_after_choice() {
  chosen_ = chosen_ || machine_.state() == Service::State::kRunning;
  // Copying loads the disk and a core, which an operation under way had better have for itself.
  if (!chosen_ || !machine_.settled() || releases_.reopening()) return;
  keeper_.follow(releases_.chosen(machine_));
}

// ---- requests -------------------------------------------------------------------------------

void ServiceRunner::upgrade(const std::string& path, std::optional<std::vector<std::string>> args,
                            const Timeouts& timeouts, const ClientPtr& client,
                            std::vector<std::uint32_t> shares, Duration pause) {
  const Wanted wanted = releases_.wanted(path, std::move(args));
  request({.to = Probation::Origin::kNew,
           .timeouts = timeouts,
           .shares = std::move(shares),
           .pause = pause,
           .wanted = wanted,
           .id = telling_.asked(client, "upgrade")},
          wanted.path);
}

void ServiceRunner::upgrade_to_configured(const Timeouts& timeouts, const ClientPtr& client) {
  const Wanted wanted = configured(config_);
  request({.to = Probation::Origin::kNew,
           .timeouts = timeouts,
           .wanted = wanted,
           .id = telling_.asked(client, "upgrade"),
           .unless_so = true},
          wanted.path);
}

void ServiceRunner::restart(const Timeouts& timeouts, const ClientPtr& client) {
  HandoffRequested asked{.to = Probation::Origin::kSame,
                         .timeouts = timeouts,
                         .id = telling_.asked(client, "restart")};
  // From nothing, what the configuration names is opened anew.
  if (const auto named = releases_.named(); named && machine_.state() == Service::State::kStopped) {
    asked.to = Probation::Origin::kNew;
    asked.wanted = *named;
    asked.cold = true;
  }
  request(asked, asked.cold ? asked.wanted.path : releases_.running().path);
}

void ServiceRunner::rollback(const Timeouts& timeouts, const ClientPtr& client) {
  const Release* back = releases_.back();
  request({.to = Probation::Origin::kBack,
           .timeouts = timeouts,
           .id = telling_.asked(client, "rollback")},
          back != nullptr ? back->path : "");
}

// path: of what it is about, for the history.
void ServiceRunner::request(HandoffRequested request, const std::string& path) {
  if (const auto why = releases_.forbidden(request.to); !why.empty()) {
    answers_.tell(Refuse{"signature", why, request.id});
    return;
  }
  count_donors_sessions();
  ++recording_;
  if (machine_.state() == Service::State::kRunning) request.donor = machine_.current();
  telling_.record_request(request.id, path, [this, request](const Result<void>& recorded) {
    --recording_;
    if (recorded) return feed(request);
    telling_.finish(request.id, refusal_json(name(), "history",
                                             recorded.error().message +
                                                 "; nothing was begun: make room there, or set "
                                                 "HANDOFF_STATE_DIR to another folder"));
    host_.changed();
  });
}

// Unlike an upgrade it is recorded when it is over: until then nothing is changed that somebody
// would have to know of.
void ServiceRunner::plan(const std::string& path, std::optional<std::vector<std::string>> args,
                         const Timeouts& timeouts, const ClientPtr& client) {
  feed(HandoffRequested{.to = Probation::Origin::kNew,
                        .rehearsal = true,
                        .timeouts = timeouts,
                        .wanted = releases_.wanted(path, std::move(args)),
                        .id = telling_.asked(client, "plan")});
}

void ServiceRunner::drop_plan(const ClientPtr& client) {
  if (answers_.planning()) feed(RehearsalDropped{});
  if (const auto asking = client.lock()) {
    asking->finish({{"event", "done"}, {"result", "done"}, {"service", name()}});
  }
}

void ServiceRunner::commit(const ClientPtr& client) {
  feed(CommitRequested{telling_.asked(client, "commit")});
}

void ServiceRunner::stop(bool at_once, bool to_stay, const ClientPtr& client) {
  chosen_ = chosen_ || to_stay;
  if (to_stay) telling_.record_stop(client, processes_.party(machine_.current()));
  telling_.waits_for_stop(client);
  feed(StopRequested{at_once, to_stay});
}

// ---- effects --------------------------------------------------------------------------------

void ServiceRunner::apply(const OpenCandidate& open) {
  std::optional<Rehearsal> rehearsal;
  if (open.request.rehearsal) {
    rehearsal.emplace(open.request.timeouts, config_.drain_incompatible);
  }
  answers_.opens(open.request.id, std::move(rehearsal));
  releases_.open(open.request.wanted, open.request.cold,
                 [this](Event opened) { feed(std::move(opened)); });
}

void ServiceRunner::apply(const OpenBack& open) {
  answers_.opens(open.request, std::nullopt);
  feed(releases_.open_back());
}

// ---- those of the supervisor before this one ------------------------------------------------

void ServiceRunner::resume(SavedService saved, std::vector<std::unique_ptr<Process>> living,
                           bool requested) {
  telling_.set_last_upgrade(saved.last_upgrade);
  const bool changed = saved.command != config_.command;
  releases_.restore(saved);
  const auto reopened = [this](bool back_lost) { feed(Reopened{back_lost}); };
  Found& machine = saved.machine;
  const bool from_nothing = living.empty() && machine.heir == 0;
  StartRequested start{.cold = saved.cold};
  if (from_nothing && (saved.cold || changed)) start.named = releases_.named();
  if (!start.named) releases_.tell_if_chosen();
  if (requested && machine.heir == 0) {
    Report report{.from = machine.current};
    report.code = "cancelled";
    report.message = "the supervisor died before the new release ran";
    telling_.remember({}, report_json(name(), report, party_of(saved, machine.current), {}));
  }
  if (from_nothing) {
    machine.current = 0;
    chosen_ = true;
    feed(machine);
    releases_.reopen({}, reopened);
    feed(std::move(start));
    return;
  }
  std::vector<Generation> leaving;
  std::map<ReleasePtr, pid_t> runs;
  for (auto& process : living) {
    const Generation generation = process->generation;
    runs.emplace(process->release, process->pid);
    releases_.found(process->release, generation == machine.heir && machine.candidate);
    for (const SavedProcess& known : saved.processes) {
      if (known.leaving && known.generation == generation) leaving.push_back(generation);
    }
    processes_.adopt(std::move(process));
  }
  if (machine.heir != 0) {
    machine.request = telling_.resumed(machine.by_itself);
    answers_.resumes(machine.request, party_of(saved, machine.current),
                     party_of(saved, machine.heir));
  }
  feed(machine);
  releases_.reopen(std::move(runs), reopened);
  if (machine.guessed) {
    for (const auto& [generation, process] : processes_.all()) feed(OrphanFound{generation});
  }
  for (const Generation generation : leaving) feed(DonorRetired{.generation = generation});
  for (const Generation generation : {machine.heir, machine.current}) {
    if (generation != 0 && processes_.find(generation) == nullptr) {
      feed(Exited{generation, {.unseen = true}});
    }
  }
}

void ServiceRunner::take_orphan(std::unique_ptr<Process> process) {
  const Generation generation = process->generation;
  processes_.adopt(std::move(process));
  feed(OrphanFound{generation});
}

SavedService ServiceRunner::saved() const {
  SavedService out{.name = name(),
                   .machine = machine_.found(),
                   .command = {},
                   .release = {},
                   .back = std::nullopt,
                   .processes = {},
                   .last_upgrade = telling_.last_upgrade()};
  releases_.save(out, machine_.probation().has_back());
  processes_.save(out.processes);
  for (SavedProcess& process : out.processes) {
    process.leaving = machine_.late().leaves(process.generation);
  }
  return out;
}

// ---- what is to be seen ---------------------------------------------------------------------

nlohmann::json ServiceRunner::status() {
  look_after_choice();  // for `kept`
  nlohmann::json out = status_json(name(), machine_, releases_, processes_, listeners_);
  out["last_upgrade"] = telling_.last_upgrade();
  out.update({{"configured", releases_.is_configured(config_)}, {"command", config_.command}});
  out["kept"] = nullptr;
  if (const auto kept = keeper_.has(releases_.running())) out["kept"] = *kept;
  return out;
}

std::vector<std::string> ServiceRunner::files() const {
  std::vector<std::string> out{source()};
  for (const ReleaseFile& file : releases_.running().files) out.push_back(file.path);
  return out;
}

std::map<std::string, int> ServiceRunner::listener_fds() const {
  std::map<std::string, int> out;
  for (const Listener* listener : listeners_.here()) out[listener->name()] = listener->fd();
  return out;
}

bool ServiceRunner::count_sessions(std::function<void(std::uint64_t)> counted) {
  if (machine_.state() != Service::State::kRunning) return false;
  return processes_.count_sessions(machine_.current(), std::move(counted));
}

const Release& ServiceRunner::present() const {
  const Process* process = processes_.owner();
  return process != nullptr ? *process->release : releases_.running();
}

std::optional<bool> ServiceRunner::drift(std::function<void(bool)> known) {
  return releases_.drift(present(), std::move(known));
}

}  // namespace handoff::supervisor
