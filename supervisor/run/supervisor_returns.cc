// The part of Supervisor that lets services come back, and that keeps the place whole that they
// come back to.
#include <spdlog/spdlog.h>

#include <utility>

#include "supervisor/processes/adoption.h"
#include "supervisor/processes/census.h"
#include "supervisor/run/supervisor.h"

namespace handoff::supervisor {

void Supervisor::returned(pid_t pid, UniqueFd& fd) {
  for (auto& [name, service] : services_) {
    if (service->returned(pid, fd)) return;
  }
}

// A process that nothing told of: the state file is lost, or was written before it was started.
void Supervisor::introduced(pid_t pid, const Introduction& who, UniqueFd& fd) {
  const auto turn_away = [&](const std::string& why) {
    if (!told_.insert(pid).second) return;
    spdlog::error("generation {} of {} (pid {}) came back, and is left alone: {}", who.generation,
                  who.service, pid, why);
  };
  const auto service = services_.find(who.service);
  if (service == services_.end()) {
    return turn_away("no such service is in the configuration; put it back, or end it");
  }
  if (stopping_) return;  // it is the next supervisor's
  const bool awaited = awaited_.contains(who.service);
  // Before it is looked at: that may take as long as reading its program.
  if (!awaited && !service->second->takes_orphan(who.generation)) {
    return turn_away("the service runs without it; end it");
  }
  auto process = hold_peer(pid, fd.get());
  if (!process) return;
  process->generation = who.generation;
  process->mailbox = mailbox_of(pid);
  const auto before = before_.find(who.service);
  process->release = release_of_orphan(pid, service->second->config(),
                                       before == before_.end() ? nullptr : &before->second.saved,
                                       journal_.journal().state());
  process->release->name = who.release;
  if (awaited) {
    add_living(before_.at(who.service), std::move(process));
    begin(who.service, false);
  } else {
    service->second->take_orphan(std::move(process));
    spdlog::warn("{}: generation {} (pid {}) came back, and no state file told of it", who.service,
                 who.generation, pid);
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
