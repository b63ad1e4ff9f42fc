#include "supervisor/service/process_table.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
#include "supervisor/core/way_back.h"
#include "supervisor/host/saved_manifest.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/identity.h"
#include "supervisor/processes/mailbox.h"
#include "supervisor/processes/spawn.h"
#include "supervisor/releases/release_source.h"
#include "supervisor/releases/secure_exec.h"
#include "supervisor/service/service_releases.h"

namespace handoff::supervisor {
namespace {

// Until a process is called whose connection has ended: most such processes end as well.
constexpr Duration kCallAfter = std::chrono::seconds(1);

Claims claims_of(const core::Manifest& manifest) {
  std::vector<std::string> out;
  out.reserve(manifest.named.size());
  for (const core::Named& named : manifest.named) out.push_back(named.name);
  return out;
}

std::vector<SavedListener> listeners_in(const Process& process) {
  std::vector<SavedListener> out;
  for (const NamedFd& one : process.named) {
    if (!one.address.empty()) out.push_back({one.name, one.address, one.inode, one.device});
  }
  return out;
}

SavedKeeper saved_keeper(const Process& process) {
  if (!process.vault.kept()) return {process.vault.address, process.vault.keeper};
  return {process.vault.address, process.vault.keeper, listeners_in(process)};
}

}  // namespace

ProcessTable::ProcessTable(const ServiceHost& host, const ServiceConfig& config,
                           Listeners& listeners, ListenerEnds& ends, Callbacks callbacks)
    : host_(host),
      config_(config),
      listeners_(listeners),
      ends_(ends),
      callbacks_(std::move(callbacks)) {}

bool ProcessTable::has_untold_end() const {
  return std::any_of(processes_.begin(), processes_.end(), [](const auto& one) {
    return one.second->pidfd.valid() && io::has_exited(one.second->pidfd.get());
  });
}

Process* ProcessTable::find(Generation generation) {
  const auto found = processes_.find(generation);
  return found == processes_.end() ? nullptr : found->second.get();
}

const Process* ProcessTable::find(Generation generation) const {
  const auto found = processes_.find(generation);
  return found == processes_.end() ? nullptr : found->second.get();
}

Party ProcessTable::party(Generation generation) const {
  const Process* process = find(generation);
  if (process == nullptr) return {};
  Party out = party_of(*process->release, generation);
  out.pid = process->pid;
  return out;
}

std::unique_ptr<ServiceChannel> ProcessTable::open_channel(UniqueFd fd, Generation generation) {
  return std::make_unique<ServiceChannel>(
      host_.loop, std::move(fd), generation,
      ServiceChannel::Callbacks{
          .heard = [this, generation](Heard what) { heard(generation, std::move(what)); },
          .closed =
              [this, generation](const std::string& why) {
                Process* process = find(generation);
                if (why.empty()) {
                  if (process != nullptr) call(*process, kCallAfter);
                  return;
                }
                if (process != nullptr) process->barred = true;
                spdlog::error(
                    "{}: generation {} broke the protocol, its control socket is closed: {}",
                    name(), generation, why);
              }});
}

// Either it runs (the pipe closed), or it wrote why it can't.
void ProcessTable::exec_known(Generation generation) {
  Process* process = find(generation);
  if (process == nullptr || !process->exec_poll) return;
  bool done = false;
  const std::string error = exec_error_text(process->exec_error.get(), *process->release, done);
  if (!done) return;
  process->exec_poll.reset();
  process->exec_error.reset();
  if (error.empty()) {
    process->oom = OomWatch(process->pid);
    const std::string note = secure_exec_note(*process->release, process->pid);
    if (!note.empty()) spdlog::warn("{}: generation {}: {}", name(), generation, note);
    return;
  }
  process->never_ran = true;
  spdlog::error("{}: generation {}: {}", name(), generation, error);
  callbacks_.happened(SpawnFailed{generation, error});
}

// ---- hearing, asking ------------------------------------------------------------------------

void ProcessTable::heard(Generation generation, Heard what) {
  Process* process = find(generation);
  if (process == nullptr) return;
  if (process->held) return process->held->push_back(std::move(what));
  if (std::holds_alternative<ReleaseNamed>(what.aside) && look_at(*process)) {
    process->held.emplace().push_back(std::move(what));
    return;
  }
  take(*process, std::move(what));
}

void ProcessTable::take(Process& process, Heard what) {
  if (auto* named = std::get_if<ReleaseNamed>(&what.aside)) {
    process.oom = OomWatch(process.pid);  // a wrapper may have moved it to another control group
    for (Event& event : what.events) {
      auto* registered = std::get_if<Registered>(&event);
      if (registered == nullptr) continue;
      process.release->name = process.reads != 0 ? named->release : process.release->name;
      if (process.reads != 0) continue;  // it speaks for the release that has died
      registered->seen = identify(name(), process, named->release, registered->returning);
      registered->one_way = one_way_to(process, *named);
    }
    process.release->claims = claims_of(named->manifest);
    process.release->manifest = lasting(named->manifest);
    if (named->vault) {
      process.vault.asked = true;
      process.vault.keeper = static_cast<pid_t>(named->vault->keeper_pid);
      process.vault.refused = std::move(named->vault->refused);
    }
    if (!process.vault.kept()) process.vault.memory.reset();  // nobody writes there
    process.manifest = std::move(named->manifest);
    process.given_back = std::move(named->given_back);
    process.drops = std::move(named->drops);
    if (named->service != name()) {
      comings_.tell(spdlog::level::warn, name(),
                    fmt::format("generation {} calls its service \"{}\"", process.generation,
                                named->service));
    }
  } else if (auto* fds = std::get_if<FdsNamed>(&what.aside)) {
    listeners_.take_shown(fds->fds);
    if (!fds->more) {
      process.named = std::move(fds->fds);
      process.reported = true;
    }
  } else if (auto* counted = std::get_if<SessionsCounted>(&what.aside)) {
    if (auto query = queries_.extract(counted->query_id)) query.mapped()(*counted);
  }
  // Whatever it was handed runs.
  const auto owns = [](const Event& event) { return std::holds_alternative<Owned>(event); };
  if (std::any_of(what.events.begin(), what.events.end(), owns)) process.place.reset();
  callbacks_.heard(process.generation, std::move(what));
}

// Of a release that was started by an older supervisor, and does not run, nobody knows. An heir
// that comes back to a later supervisor was let in, and its donor may have gone meanwhile, or come
// back after it.
std::string ProcessTable::one_way_to(const Process& heir, const ReleaseNamed& said) const {
  const Process* donor = owner();
  const Release* back = callbacks_.goes_back_to();
  if (donor == &heir || back == nullptr || !back->manifest) return "";
  const core::Manifest* runs = &*back->manifest;
  if (donor != nullptr && donor->release->manifest) runs = &*donor->release->manifest;
  if (donor != nullptr && donor->manifest) runs = &*donor->manifest;
  UnclaimedPolicy policy = config_.unclaimed;
  if (gives_all_back(*runs, said.manifest, said.given_back)) {
    policy.listeners = UnclaimedPolicy::Listeners::kKeep;
  }
  return one_way(said.manifest, *runs, *back->manifest, policy, config_.drain_incompatible);
}

// What the process says from its Register on waits for what is found out: that decides what is to
// become of it. False: there is nothing to be found out.
bool ProcessTable::look_at(const Process& process) {
  if (process.reads != 0) return false;
  auto found = [this, here = std::weak_ptr<bool>(here_), generation = process.generation,
                pid = process.pid](Executed executed) {
    if (here.expired()) return;
    Process* still = find(generation);
    if (still == nullptr || still->pid != pid) return;
    // Till now the number was the process's own.
    if (!io::has_exited(still->pidfd.get())) still->executed = std::move(executed);
    let_in(generation);
  };
  return find_executed(host_.loop, process, rules_of(config_), std::move(found));
}

void ProcessTable::let_in(Generation generation) {
  Process* process = find(generation);
  if (process == nullptr || !process->held) return;
  std::vector<Heard> held = std::move(*process->held);
  process->held.reset();
  for (Heard& what : held) {
    if (Process* still = find(generation)) take(*still, std::move(what));
  }
}

// What anybody has said till now comes before a conclusion from an exit or from the clock: a
// donor's verdict on its heir's death, or an heir's word that it owns, which both lay here while
// this process was stopped.
void ProcessTable::hear_all() {
  std::vector<Process*> all;
  all.reserve(processes_.size());
  for (auto& [generation, process] : processes_) all.push_back(process.get());
  for (Process* process : all) {
    if (process->channel) process->channel->drain();
  }
}

// ---- ending ---------------------------------------------------------------------------------

bool ProcessTable::ended(pid_t pid, const Exit& exit) {
  for (auto& [generation, process] : processes_) {
    if (process->pid != pid) continue;
    const Generation dead = generation;
    exec_known(dead);
    hear_all();
    let_in(dead);
    // The end of who leaves is the end of a handoff, and of its report: it is told after that of
    // the owner, who has ended as well and is about to be reaped.
    const Process* now_owner = owner();
    if (now_owner != nullptr && now_owner->pid != pid &&
        handoff::io::has_exited(now_owner->pidfd.get())) {
      ended_later_.emplace_back(pid, exit);
      return true;
    }
    const bool ran = !process->never_ran;
    callbacks_.ended(*process);
    Exit how = exit;
    if (exit.unseen || (exit.signalled && exit.number == SIGKILL)) {
      how.out_of_memory = process->oom.out_of();
    }
    process->vault.listeners = listeners_in(*process);
    Vault vault = std::move(process->vault);
    processes_.erase(dead);
    if (ran) {
      spdlog::info("{}: generation {} (pid {}) {}", name(), dead, pid, describe(how));
      callbacks_.happened(Exited{dead, how, take_vault(dead, std::move(vault))});
    } else {
      host_.changed();
    }
    for (const auto& [later, its] : std::exchange(ended_later_, {})) ended(later, its);
    return true;
  }
  return keeper_ended(pid);
}

// ---- from one supervisor to the next --------------------------------------------------------

void ProcessTable::adopt(std::unique_ptr<Process> process) {
  const Generation generation = process->generation;
  process->oom = OomWatch(process->pid);
  process->exit_poll =
      std::make_unique<Poll>(host_.loop, process->pidfd.get(), [this, generation](int) {
        const Process* gone = find(generation);
        if (gone == nullptr) return;
        const Exit exit = exit_of(*gone);
        (void)ended(gone->pid, exit);
      });
  process->exit_poll->watch(UV_READABLE);
  spdlog::info("{}: generation {} (pid {}) was found", name(), generation, process->pid);
  call(*process, Duration::zero());
  processes_[generation] = std::move(process);
}

// A process comes back by itself where it can reach the runtime folder. It is called all the same:
// its mailbox wakes it at once.
void ProcessTable::call(Process& process, Duration in) {
  if (process.mailbox.empty()) return;
  process.call =
      std::make_unique<Call>(host_.loop, process.mailbox, process.pid, in,
                             [this, pid = process.pid](UniqueFd fd) { (void)returned(pid, fd); });
}

bool ProcessTable::returned(pid_t pid, UniqueFd& fd) {
  for (auto& [generation, process] : processes_) {
    if (process->pid != pid) continue;
    const bool connected = process->channel && process->channel->open();
    if (connected || process->barred || io::has_exited(process->pidfd.get())) return false;
    comings_.tell(spdlog::level::info, name(),
                  fmt::format("generation {} (pid {}) is back", generation, pid));
    process->call.reset();
    process->channel = open_channel(std::move(fd), generation);
    return true;
  }
  return false;
}

void ProcessTable::save(SavedService& saved) const {
  for (const auto& [generation, process] : processes_) {
    if (process->never_ran) continue;
    saved.processes.push_back({.generation = generation,
                               .pid = process->pid,
                               .started = process->started,
                               .since = std::chrono::system_clock::to_time_t(process->since),
                               .release = saved_release(*process->release),
                               .mailbox = process->mailbox,
                               .seen = last_seen(*process),
                               .cgroup = process->cgroup,
                               .vault = saved_keeper(*process),
                               .reads = process->reads});
  }
  for (const auto& [generation, vault] : vaults_) {
    saved.vaults.push_back({generation, {vault.address, vault.keeper, vault.listeners}});
  }
}

}  // namespace handoff::supervisor
