// The part of Supervisor that lets services come back, and that keeps the place whole that they
// come back to.
#include <spdlog/spdlog.h>

#include <exception>
#include <memory>
#include <utility>

#include "supervisor/loop/thread_work.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/census.h"
#include "supervisor/releases/release_source.h"
#include "supervisor/run/supervisor.h"

namespace handoff::supervisor {

void Supervisor::returned(pid_t pid, UniqueFd& fd) {
  for (auto& [name, service] : services_) {
    if (service->returned(pid, fd)) return;
  }
}

void Supervisor::look_at(const std::string& name, Processes processes,
                         std::function<void(Processes)> then) {
  struct Look {
    Processes processes;
    ServiceConfig config;
    std::optional<SavedService> known;
    std::string state;
  };
  const auto look = std::make_shared<Look>();
  look->processes = std::move(processes);
  look->config = services_.at(name)->config();
  if (const auto before = before_.find(name); before != before_.end()) {
    look->known = before->second.saved;
  }
  look->state = journal_.journal().state();
  const auto run = [look] {
    for (const auto& process : look->processes) {
      try {
        process->release = release_of_orphan(process->pid, look->config,
                                             look->known ? &*look->known : nullptr, look->state);
      } catch (const std::exception& error) {
        spdlog::error("{}: what pid {} runs is not known: {}", look->config.name, process->pid,
                      error.what());
        process->release = unopened_release(look->config.command);
      }
    }
  };
  const auto after = [look, then = std::move(then), here = std::weak_ptr<bool>(here_)] {
    if (!here.expired()) then(std::move(look->processes));
  };
  if (on_a_thread(loop_, run, after)) return;
  run();
  after();
}

void Supervisor::turn_away(pid_t pid, const Introduction& who, const std::string& why) {
  if (told_.contains(pid)) return;
  const bool told = turned_away_[services_.contains(who.service) ? who.service : ""].tell(
      spdlog::level::err, who.service,
      fmt::format("generation {} (pid {}) came back, and is left alone: {}", who.generation, pid,
                  why));
  if (told) told_.insert(pid);
}

// A process that nothing told of: the state file is lost, or was written before it was started.
void Supervisor::introduced(pid_t pid, const Introduction& who, UniqueFd& fd) {
  const auto service = services_.find(who.service);
  if (service == services_.end()) {
    return turn_away(pid, who, "no such service is in the configuration; put it back, or end it");
  }
  if (stopping_) return;  // it is the next supervisor's
  const auto awaited = awaited_.find(who.service);
  // Before it is looked at: that may take as long as reading its program.
  if (awaited == awaited_.end() && !service->second->takes_orphan(who.generation)) {
    return turn_away(pid, who, "the service runs without it; end it");
  }
  auto process = hold_peer(pid, fd.get());
  if (!process) return;
  process->generation = who.generation;
  process->mailbox = mailbox_of(pid);
  // A process that lives has its place: nothing is started there.
  if (awaited != awaited_.end() && awaited->second.patience) {
    awaited->second.patience->at(std::nullopt);
  }
  Processes one;
  one.push_back(std::move(process));
  look_at(who.service, std::move(one),
          [this, who, connection = std::make_shared<UniqueFd>(std::move(fd))](Processes seen) {
            let_in(who, std::move(seen.front()), *connection);
          });
}

void Supervisor::knocked(pid_t pid) {
  processes_.list([this, pid](const std::vector<ProcessSeen>& all) {
    for (const auto& [name, service] : services_) service->knocked(pid, all);
  });
}

void Supervisor::let_in(const Introduction& who, std::unique_ptr<Process> process, UniqueFd& fd) {
  const auto service = services_.find(who.service);
  if (service == services_.end() || stopping_) return;
  const pid_t pid = process->pid;
  process->release->name = who.release;
  if (awaited_.contains(who.service)) {
    add_living(before_.at(who.service), std::move(process));
    begin(who.service, false);
  } else if (service->second->takes_orphan(who.generation)) {
    service->second->take_orphan(std::move(process));
    spdlog::warn("{}: generation {} (pid {}) came back, and no state file told of it", who.service,
                 who.generation, pid);
  } else if (!service->second->returned(pid, fd)) {  // it may have been let in meanwhile
    return turn_away(pid, who, "the service runs without it; end it");
  }
  told_.erase(pid);
  (void)service->second->returned(pid, fd);
}

RuntimeWatch::State Supervisor::mend_runtime() {
  using State = RuntimeWatch::State;
  const auto missing = runtime_.missing();
  if (!missing.any()) return State::kWhole;
  auto mended = runtime_.make_anew();
  if (mended && missing.operators) {
    auto fd = runtime_.listen_to_operators();
    if (fd) control_->listen(std::move(*fd));
    if (!fd) mended = Failure(fd.error());
  }
  if (mended && missing.services) {
    auto fd = runtime_.listen_to_services();
    if (fd) door_.listen(std::move(*fd));
    if (!fd) mended = Failure(fd.error());
  }
  if (!mended) {
    if (std::exchange(runtime_problem_, mended.error().message) != runtime_problem_) {
      spdlog::error("the runtime folder {} is not whole, and can't be mended yet: {}",
                    runtime_.path(), runtime_problem_);
    }
    return State::kBroken;
  }
  runtime_problem_.clear();
  spdlog::warn("something removed {} of the runtime folder {}: made anew",
               missing.folder ? "all"
               : missing.lock ? "the lock"
                              : "a socket",
               runtime_.path());
  state_.mistrust();
  changed();
  return State::kMended;
}

}  // namespace handoff::supervisor
