#include "supervisor/service/process_table.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
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

}  // namespace

ProcessTable::ProcessTable(const ServiceHost& host, const ServiceConfig& config,
                           Listeners& listeners, Callbacks callbacks)
    : host_(host), config_(config), listeners_(listeners), callbacks_(std::move(callbacks)) {}

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

// ---- starting -------------------------------------------------------------------------------

Result<void> ProcessTable::start(const Spawn& spawn, ReleasePtr release, StartQueue::Place place) {
  auto process = std::make_unique<Process>();
  process->place = std::move(place);
  process->generation = spawn.generation;
  process->release = std::move(release);
  process->since = std::chrono::system_clock::now();
  process->spread = spawn.spread;
  if (auto launched = launch(spawn, *process); !launched) return launched;
  if (const std::string kept = process->release->kept_from(); !kept.empty()) {
    spdlog::warn("{}: {} is not there any more as it was opened: the copy that was kept runs, {}",
                 name(), process->release->path, kept);
  }
  if (process->release->moved) {
    spdlog::warn("{}: {} leads elsewhere by now: what it led to runs, {}", name(),
                 process->release->path, process->release->file_path);
  }
  spdlog::info("{}: starting {} as generation {}, pid {}, sha256 {:.12}", name(),
               process->release->path, spawn.generation, process->pid, process->release->digest);
  processes_[spawn.generation] = std::move(process);
  // This supervisor may die from here on. The next one has to know of the process, so the state is
  // saved before the process runs.
  host_.save([this, here = std::weak_ptr<bool>(here_), generation = spawn.generation,
              heir = spawn.heir](const Result<void>& saved) {
    if (!here.expired()) let_run(generation, heir, saved);
  });
  return {};
}

void ProcessTable::let_run(Generation generation, bool heir, Result<void> saved) {
  Process* process = find(generation);
  if (process == nullptr || !process->go.valid()) return;  // it was ended meanwhile
  if (!saved && !heir) {
    spdlog::warn("{}: {}; if this supervisor dies, the next one will not find generation {}",
                 name(), saved.error().message, generation);
    saved = Result<void>();
  }
  if (saved) saved = let_go(std::move(process->go));
  if (saved) return;
  process->go.reset();
  process->never_ran = true;  // it ends, having done nothing
  callbacks_.not_started(generation, saved.error());
}

Result<void> ProcessTable::launch(const Spawn& spawn, Process& process) {
  if (!spawn.heir) {
    // Nobody has them any more who could show them: a fresh start, with fresh ones.
    if (auto bound = listeners_.bind_missing(); !bound) return bound;
  }
  auto pair = io::Channel::make_pair();
  if (!pair) return Failure(pair.error());
  const Generation generation = spawn.generation;
  const UniqueFd theirs = std::move(pair->second);
  process.channel = open_channel(std::move(pair->first), generation);
  auto mailbox = make_mailbox();
  if (!mailbox) {
    spdlog::warn(
        "{}: generation {}: {}; if it changes its user or root, the next supervisor will "
        "not reach it",
        name(), generation, mailbox.error().message);
    mailbox = NewMailbox();
  }
  process.mailbox = mailbox->address;
  if (!send_start(spawn, process, mailbox->fd.get()))
    return fail(-EIO, "its control socket takes no Start");
  if (const int error = failpoint::hit("supervisor.spawn.before"); error != 0) {
    return Failure(Error::from_errno(error, "fork"));
  }
  const UniqueFd cgroup = make_cgroup(process);
  auto spawned = supervisor::spawn({.release = process.release.get(),
                                    .service = name(),
                                    .generation = generation,
                                    .control_fd = theirs.get(),
                                    .cgroup_procs = cgroup.get(),
                                    .report_path = host_.report_path,
                                    .mailbox = process.mailbox,
                                    .environment = config_.environment,
                                    .working_dir = config_.working_dir});
  if (!spawned) return Failure(spawned.error());
  process.pid = spawned->pid;
  process.started = start_of(spawned->pid);
  process.pidfd = std::move(spawned->pidfd);
  process.go = std::move(spawned->go);
  process.exec_error = std::move(spawned->exec_error);
  process.exec_poll = std::make_unique<Poll>(host_.loop, process.exec_error.get(),
                                             [this, generation](int) { exec_known(generation); });
  process.exec_poll->watch(UV_READABLE);
  failpoint::hit("supervisor.spawn.after");
  return {};
}

// Without one it is known by its session.
UniqueFd ProcessTable::make_cgroup(Process& process) const {
  if (!host_.cgroups->delegated()) return {};
  auto made = host_.cgroups->make(name(), process.generation);
  if (!made) {
    spdlog::warn("{}: generation {}: {}", name(), process.generation, made.error().message);
    return {};
  }
  process.cgroup = made->path;
  return std::move(made->procs);
}

// Start lies in the socket before the process exists.
bool ProcessTable::send_start(const Spawn& spawn, Process& process, int mailbox) {
  if (!spawn.heir) {
    std::vector<NamedFd> named;
    std::vector<int> fds;
    for (const Listener* listener : listeners_.here()) {
      named.push_back(
          {listener->name(), listener->address(), listener->inode(), listener->device()});
      fds.push_back(listener->fd());
    }
    if (mailbox >= 0) fds.push_back(mailbox);
    return process.send(
        protocol::Type::kStart,
        encode_start(name(), spawn.generation, named, host_.report_path, mailbox >= 0), fds);
  }
  const Process* donor = owner();
  auto channel = io::Channel::make_pair();
  if (!channel || donor == nullptr) return false;
  process.donor_end = std::move(channel->second);
  const std::string body = encode_start_heir(name(), spawn.generation,
                                             {.id = spawn.generation,
                                              .channel_index = 0,
                                              .peer_index = 1,
                                              .peer_pid = static_cast<std::uint32_t>(donor->pid),
                                              .timeouts = spawn.timeouts,
                                              .rehearsal = spawn.rehearsal,
                                              .drain_incompatible = config_.drain_incompatible,
                                              .spread = spawn.spread},
                                             host_.report_path, mailbox >= 0);
  std::vector<int> fds{channel->first.get(), donor->pidfd.get()};
  if (mailbox >= 0) fds.push_back(mailbox);
  return process.send(protocol::Type::kStart, body, fds);
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
      registered->seen = identify(name(), process, named->release, registered->returning);
    }
    if (named->service != name()) {
      comings_.tell(spdlog::level::warn, name(),
                    fmt::format("generation {} calls its service \"{}\"", process.generation,
                                named->service));
    }
  } else if (auto* fds = std::get_if<FdsNamed>(&what.aside)) {
    listeners_.take_shown(fds->fds);
    process.named = std::move(fds->fds);
  } else if (auto* counted = std::get_if<SessionsCounted>(&what.aside)) {
    if (auto query = queries_.extract(counted->query_id)) query.mapped()(*counted);
  }
  // Whatever it was handed runs.
  const auto owns = [](const Event& event) { return std::holds_alternative<Owned>(event); };
  if (std::any_of(what.events.begin(), what.events.end(), owns)) process.place.reset();
  callbacks_.heard(process.generation, std::move(what));
}

// What the process says from its Register on waits for what is found out: that decides what is to
// become of it. False: there is nothing to be found out.
bool ProcessTable::look_at(const Process& process) {
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
    processes_.erase(dead);
    if (ran) {
      spdlog::info("{}: generation {} (pid {}) {}", name(), dead, pid, describe(how));
      callbacks_.happened(Exited{dead, how});
    } else {
      host_.changed();
    }
    for (const auto& [later, its] : std::exchange(ended_later_, {})) ended(later, its);
    return true;
  }
  return false;
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

void ProcessTable::save(std::vector<SavedProcess>& saved) const {
  for (const auto& [generation, process] : processes_) {
    if (process->never_ran) continue;
    saved.push_back({.generation = generation,
                     .pid = process->pid,
                     .started = process->started,
                     .since = std::chrono::system_clock::to_time_t(process->since),
                     .release = saved_release(*process->release),
                     .mailbox = process->mailbox,
                     .seen = last_seen(*process),
                     .cgroup = process->cgroup});
  }
}

}  // namespace handoff::supervisor
