#include "supervisor/service/service_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "libhandoff/base/scoped_value.h"
#include "supervisor/service/service_policy.h"
#include "supervisor/service/service_status.h"

namespace handoff::supervisor {
ServiceRunner::ServiceRunner(ServiceHost host, ServiceConfig config, Listeners listeners,
                             ReleasePtr release)
    : host_(std::move(host)),
      config_(std::move(config)),
      listeners_(std::move(listeners)),
      machine_(policy_of(config_)),
      releases_(host_, config_, std::move(release)),
      ends_(host_.loop, config_.name, ListenerEnds::kHandshakes, host_.changed),
      processes_(host_, config_, listeners_, ends_,
                 {.happened = [this](Event event) { feed(std::move(event)); },
                  .heard = [this](Generation generation,
                                  Heard what) { heard(generation, std::move(what)); },
                  .owner = [this] { return machine_.current(); },
                  .not_started = [this](Generation generation,
                                        const Error& why) { not_started(generation, why); },
                  .ended = [this](const Process& process) { children_.left_by(process); },
                  .goes_back_to = [this] { return goes_back_to(); }}),
      children_(host_, config_.name, processes_, [this](Event event) { feed(std::move(event)); }),
      orders_(processes_, config_, [this](Event event) { feed(std::move(event)); }),
      keeper_(host_, config_.name),
      telling_(host_, config_.name),
      answers_(config_, machine_, releases_, processes_, listeners_, telling_),
      trial_(
          host_.loop, config_.health, [this](HealthHeard heard) { feed(std::move(heard)); },
          [this] {
            feed(Asked{machine_.on_trial()});
            (void)count_sessions([](std::uint64_t) {});
          }),  // heard() feeds the answer
      timer_(host_.loop, [this] { deadline_passed(); }) {}

std::vector<Listeners::Mended> ServiceRunner::reconfigure(ServiceConfig config) {
  config_ = std::move(config);
  releases_.reconfigured();
  machine_.set_policy(policy_of(config_));
  auto out = listeners_.want(config_.listen, !idle());
  trial_.set_check(config_.health);
  look_after_trial();
  tell_elsewhere();
  return out;
}

// Once of each. In an upgrade one that moves is not elsewhere, and is again if the upgrade fails.
void ServiceRunner::tell_elsewhere() {
  if (machine_.upgrading()) return;
  std::vector<Elsewhere> found = listeners_elsewhere(config_, listeners_, processes_.owner());
  for (const Elsewhere& one : found) {
    if (std::ranges::find(elsewhere_, one) != elsewhere_.end()) continue;
    spdlog::warn("{}: {}", name(), tell(one, name()));
  }
  elsewhere_ = std::move(found);
}

std::vector<Listeners::Mended> ServiceRunner::mend_paths() {
  auto out = listeners_.mend_paths();
  for (const Listeners::Mended& one : out) {
    spdlog::log(one.done ? spdlog::level::warn : spdlog::level::err, "{}: listener {}: {}", name(),
                one.name, one.what);
  }
  return out;
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
  look_after_listeners();
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
    tell_elsewhere();
  }
  host_.changed();
}

// What was said, and who exited, in time counts, also if this process was held up. The loop runs
// its timers before it looks at sockets and children, so it is given one more turn to look. An end
// that can be seen by now, and was not told yet, has as many more as a child takes to be reaped.
void ServiceRunner::deadline_passed() {
  constexpr int kLooks = 3;  // not for ever: a debugger can keep a child from being reaped
  const auto deadline = machine_.deadline();
  if (std::exchange(looked_for_, deadline) != deadline) looks_ = 0;
  const bool looks = looks_ == 0 || (looks_ < kLooks && processes_.has_untold_end());
  ++looks_;
  if (!looks) return feed(Tick{});
  timer_.at(now() + std::chrono::milliseconds(1));
}

void ServiceRunner::heard(Generation generation, Heard what) {
  if (const auto* counted = std::get_if<SessionsCounted>(&what.aside)) {
    // How many it had is what a crash is told with.
    const bool news =
        generation == machine_.current() && !machine_.upgrading() && counted_ != counted->sessions;
    if (news) counted_ = counted->sessions;
    if (news || generation == machine_.on_trial()) {
      what.events.emplace_back(Counted{generation, counted->sessions, counted->errors});
    }
  } else if (auto* found = std::get_if<protocol::Rehearsed>(&what.aside)) {
    answers_.take_findings(generation, std::move(*found));
  }
  for (Event& event : what.events) feed(std::move(event));
}

const Release* ServiceRunner::goes_back_to() const {
  return machine_.probation().goes_back_past() ? releases_.back() : &present();
}

bool ServiceRunner::ended(pid_t pid, const Exit& exit) {
  return trial_.ended(pid, exit) || processes_.ended(pid, exit);
}

void ServiceRunner::look_after_trial() {
  trial_.watch(processes_.find(machine_.on_trial()), config_.health, listeners_);
}

void ServiceRunner::look_after_listeners() {
  const Process* process = processes_.owner();
  if (process == nullptr || machine_.state() != Service::State::kRunning) return;
  if (machine_.upgrading()) return;
  listeners_.follow({.named = process->reported ? &process->named : nullptr,
                     .release = process->release->name,
                     .claims = process->release->claims,
                     .drops = process->drops,
                     .was_donor = process->generation == processes_.donor_before(),
                     .permanent = !machine_.probation().provisional(),
                     .went_back = process->generation == processes_.went_back()},
                    config_.unclaimed);
  for (Listener& one : listeners_.take_replaced()) ends_.end(std::move(one));
}

// What never ran was never chosen: it may have been a slip.
void ServiceRunner::look_after_choice() {
  chosen_ = chosen_ || machine_.state() == Service::State::kRunning;
  // Copying loads the disk and a core, which an operation under way had better have for itself.
  if (!chosen_ || !machine_.settled() || releases_.reopening()) return;
  keeper_.follow(releases_.chosen(machine_));
}

// ---- effects --------------------------------------------------------------------------------

void ServiceRunner::apply(const OpenCandidate& open) {
  std::optional<Rehearsal> rehearsal;
  if (open.request.rehearsal) {
    const bool past = machine_.probation().goes_back_past();
    rehearsal.emplace(open.request, config_,
                      Rehearsal::Surroundings{
                          // An upgrade would bind those that are missing.
                          .held = listeners_.wanted_names(),
                          .elsewhere = listeners_elsewhere(config_, listeners_, processes_.owner()),
                          .back = past ? goes_back_to() : nullptr});
  }
  answers_.opens(open.request.id, std::move(rehearsal));
  releases_.open(open.request.wanted, open.request.cold,
                 [this](Event opened) { feed(std::move(opened)); });
}

void ServiceRunner::apply(const OpenBack& open) {
  answers_.opens(open.request, std::nullopt);
  feed(releases_.open_back());
}

// ---- what is to be seen ---------------------------------------------------------------------

nlohmann::json ServiceRunner::status() {
  look_after_choice();  // for `kept`
  nlohmann::json out = status_json(config_, machine_, releases_, processes_, listeners_);
  out["last_upgrade"] = telling_.last_upgrade();
  out["vault"]["last_recovery"] = answers_.last_recovery();
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

std::map<std::string, int> ServiceRunner::listener_fds() const { return listeners_.fds(); }

std::string ServiceRunner::in_motion() const {
  if (!settled()) return name() + " is " + machine_.state_name();
  const std::vector<const Listener*> ending = ends_.all();
  if (ending.empty()) return "";
  return name() + " is ending its listener at " + ending.front()->address();
}

bool ServiceRunner::count_sessions(std::function<void(std::uint64_t)> counted) {
  if (machine_.state() != Service::State::kRunning) return false;
  return processes_.count_sessions(machine_.current(), std::move(counted));
}

const Release& ServiceRunner::present() const {
  const Process* process = processes_.owner();
  return process != nullptr && process->reads == 0 ? *process->release : releases_.running();
}

std::optional<bool> ServiceRunner::drift(std::function<void(bool)> known) {
  return releases_.drift(present(), std::move(known));
}

}  // namespace handoff::supervisor
