// The part of ServiceRunner that has processes: starts them, speaks with them, sees them end.
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
#include "supervisor/processes/adoption.h"

#include "supervisor/processes/spawn.h"
#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {
namespace {

// What helps if a process can't be started for want of something; "" if that is not why.
std::string remedy(int code) {
  switch (code) {
    case -ENOSPC:
    case -EDQUOT:
      return "make room on that disk";
    case -EMFILE:
    case -ENFILE:
      return "raise the supervisor's limit of open files (RLIMIT_NOFILE, LimitNOFILE=)";
    case -EAGAIN:
      return "raise the limit of processes (RLIMIT_NPROC, TasksMax=)";
    case -ENOMEM:
      return "give the supervisor and its services more memory (MemoryMax=)";
    default:
      return "";
  }
}

SpawnFailed spawn_failed(Generation generation, const Error& error) {
  const std::string helps = remedy(error.code);
  if (helps.empty()) return {generation, error.message};
  return {generation, error.message + "; " + helps, "resources"};
}

}  // namespace

void ServiceRunner::apply(const Spawn& spawn) {
  to_release_ = spawn.candidate ? candidate_ : release_;
  if (to_release_->file.valid()) {
    start_process(spawn);
  } else {
    open_to_spawn(spawn);
  }
}

void ServiceRunner::start_process(const Spawn& spawn) {
  auto process = std::make_unique<Process>();
  process->generation = spawn.generation;
  process->release = spawn.candidate ? candidate_ : release_;
  process->since = std::chrono::system_clock::now();
  to_release_ = process->release;
  if (spawn.heir) {
    // Should the donor die before it has said anything: how many it takes along.
    (void)count_sessions([this, donor = machine_.current()](std::uint64_t sessions) {
      feed(Counted{donor, sessions});
    });
  }
  to_ = {process->release->name, spawn.generation, 0, process->release->digest,
         process->release->path};
  if (spawn.rehearsal) weigh_before_plan();
  if (process->release->changed()) {
    spdlog::warn(
        "{}: {} was written to since it was opened: what runs now is not what was digested", name(),
        process->release->path);
  }
  if (auto launched = launch(spawn, *process); !launched) {
    feed(spawn_failed(spawn.generation, launched.error()));
    return;
  }
  UniqueFd go = std::move(process->go);
  Process& here = *process;
  to_.pid = here.pid;
  processes_[spawn.generation] = std::move(process);
  // Whoever comes after a supervisor that dies from here on has to know of it before it runs.
  auto begun = host_.save();
  if (!begun && !spawn.heir) {
    spdlog::warn("{}: {}; if this supervisor dies, the next one will not find generation {}",
                 name(), begun.error().message, spawn.generation);
    begun = Result<void>();
  }
  if (begun) begun = let_go(std::move(go));
  if (!begun) {
    here.never_ran = true;  // it ends, having done nothing
    feed(spawn_failed(spawn.generation, begun.error()));
    return;
  }
  spdlog::info("{}: starting {} as generation {}, pid {}, sha256 {:.12}", name(),
               here.release->path, spawn.generation, here.pid, here.release->digest);
}

std::unique_ptr<ServiceChannel> ServiceRunner::open_channel(UniqueFd fd, Generation generation) {
  return std::make_unique<ServiceChannel>(
      host_.loop, std::move(fd), generation,
      ServiceChannel::Callbacks{
          .heard = [this, generation](Heard what) { heard(generation, std::move(what)); },
          .closed =
              [this, generation](const std::string& why) {
                if (why.empty()) return;
                if (Process* process = find(generation)) process->barred = true;
                spdlog::error(
                    "{}: generation {} broke the protocol, its control socket is closed: {}",
                    name(), generation, why);
              }});
}

Result<void> ServiceRunner::launch(const Spawn& spawn, Process& process) {
  if (!spawn.heir) {
    // Nobody has them any more who could show them: a fresh start, with fresh ones.
    if (auto bound = listeners_.bind_missing(); !bound) return bound;
  }
  auto pair = io::Channel::make_pair();
  if (!pair) return Failure(pair.error());
  const Generation generation = spawn.generation;
  const UniqueFd theirs = std::move(pair->second);
  process.channel = open_channel(std::move(pair->first), generation);
  if (!send_start(spawn, process)) return fail(-EIO, "its control socket takes no Start");
  if (const int error = failpoint::hit("supervisor.spawn.before"); error != 0) {
    return Failure(Error::from_errno(error, "fork"));
  }
  auto spawned = supervisor::spawn({.release = process.release.get(),
                                    .service = name(),
                                    .generation = generation,
                                    .control_fd = theirs.get(),
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

// It lies in the socket before the process exists.
bool ServiceRunner::send_start(const Spawn& spawn, Process& process) {
  if (!spawn.heir) {
    std::vector<NamedFd> named;
    std::vector<int> fds;
    for (const Listener* listener : listeners_.here()) {
      named.push_back(
          {listener->name(), listener->address(), listener->inode(), listener->device()});
      fds.push_back(listener->fd());
    }
    return process.send(protocol::Type::kStart,
                        encode_start(name(), spawn.generation, named, host_.report_path), fds);
  }
  const Process* donor = current();
  auto channel = io::Channel::make_pair();
  if (!channel || donor == nullptr) return false;
  process.donor_end = std::move(channel->second);
  const std::string body =
      encode_start_heir(name(), spawn.generation,
                        {.id = spawn.generation,
                         .channel_index = 0,
                         .peer_index = 1,
                         .peer_pid = static_cast<std::uint32_t>(donor->pid),
                         .timeouts = spawn.timeouts,
                         .rehearsal = spawn.rehearsal,
                         .drain_incompatible = config_.drain_incompatible,
                         .spread = spawn.rehearsal ? 0 : machine_.progressive().first()},
                        host_.report_path);
  const int fds[] = {channel->first.get(), donor->pidfd.get()};
  return process.send(protocol::Type::kStart, body, fds);
}

void ServiceRunner::apply(const SendDonate& donate) {
  Process* donor = find(donate.donor);
  Process* heir = find(donate.heir);
  bool sent = false;
  if (donor != nullptr && heir != nullptr && heir->donor_end.valid()) {
    const int fds[] = {heir->donor_end.get(), heir->pidfd.get()};
    sent = donor->send(
        protocol::Type::kDonate,
        encode_donate(donate.heir,
                      {.id = donate.heir,
                       .channel_index = 0,
                       .peer_index = 1,
                       .peer_pid = static_cast<std::uint32_t>(heir->pid),
                       .timeouts = donate.timeouts,
                       .rehearsal = donate.rehearsal,
                       .drain_incompatible = config_.drain_incompatible,
                       .spread = donate.rehearsal ? 0 : machine_.progressive().first()}),
        fds);
    heir->donor_end.reset();
  }
  if (!sent) {
    feed(HandoffFailed{donate.donor, donate.heir, "unreachable",
                       "its control socket is closed, or full because it hangs"});
  }
}

void ServiceRunner::apply(const SendStop& stop) {
  Process* process = find(stop.generation);
  if (process == nullptr) return;
  if (!process->send(protocol::Type::kStop, encode_stop(stop.deadline))) {
    apply(Signal{stop.generation, false});
  }
}

void ServiceRunner::apply(const SendDrain& drain) {
  Process* process = find(drain.generation);
  if (process == nullptr) return;
  (void)process->send(protocol::Type::kDrain, encode_drain(drain.deadline, drain.policy));
}

void ServiceRunner::apply(const SendRelink& relink) {
  Process* late = find(relink.late);
  Process* owner = find(relink.owner);
  if (late == nullptr || owner == nullptr) return;
  auto pair = io::Channel::make_pair();
  if (!pair) {
    spdlog::error("{}: {}", name(), pair.error().message);
    return;
  }
  // If only one of them can be told, it sees that the other end is closed.
  const auto send = [&](Process& to, const UniqueFd& end, const Process& other) {
    const int fds[] = {end.get(), other.pidfd.get()};
    (void)to.send(protocol::Type::kRelink,
                  encode_relink(other.generation, config_.timeouts.freeze_budget), fds);
  };
  send(*late, pair->first, *owner);
  send(*owner, pair->second, *late);
}

void ServiceRunner::apply(const SendSpread& spread) {
  Process* process = find(spread.generation);
  if (process != nullptr) {
    (void)process->send(protocol::Type::kSpread, encode_spread(spread.permille));
  }
}

void ServiceRunner::apply(const SendCancel& cancel) {
  Process* process = find(cancel.generation);
  if (process == nullptr) return;
  // Who can't be reached is dealt with by the deadline that follows.
  (void)process->send(protocol::Type::kCancel, encode_cancel(cancel.handoff_id, cancel.reason));
}

void ServiceRunner::apply(const Signal& signal) {
  const Process* process = find(signal.generation);
  if (process == nullptr || !process->pidfd.valid()) return;
  const int number = signal.kill ? SIGKILL : SIGTERM;
  failpoint::hit("supervisor.signal.before");
  if (::syscall(SYS_pidfd_send_signal, process->pidfd.get(), number, nullptr, 0) < 0 &&
      errno != ESRCH) {
    spdlog::error("{}: generation {} (pid {}) can't be signalled: {}", name(), signal.generation,
                  process->pid, std::strerror(errno));
  }
  failpoint::hit("supervisor.signal.after");
}

void ServiceRunner::heard(Generation generation, Heard what) {
  Process* process = find(generation);
  if (process == nullptr) return;
  if (auto* named = std::get_if<ReleaseNamed>(&what.aside)) {
    process->release->name = named->release;
    if (named->service != name()) {
      spdlog::warn("{}: generation {} calls its service \"{}\"", name(), generation,
                   named->service);
    }
  } else if (auto* fds = std::get_if<FdsNamed>(&what.aside)) {
    listeners_.take_shown(fds->fds);
    process->named = std::move(fds->fds);
  } else if (auto* counted = std::get_if<SessionsCounted>(&what.aside)) {
    if (auto query = queries_.extract(counted->query_id)) query.mapped()(counted->sessions);
    if (generation == machine_.on_trial()) {
      what.events.emplace_back(Counted{generation, counted->sessions, counted->errors});
    }
  } else if (auto* found = std::get_if<protocol::Rehearsed>(&what.aside)) {
    take_findings(generation, std::move(*found));
  }
  for (Event& event : what.events) feed(std::move(event));
}

// Either it runs (the pipe closed), or it wrote why it can't.
void ServiceRunner::exec_known(Generation generation) {
  Process* process = find(generation);
  if (process == nullptr || !process->exec_poll) return;
  bool done = false;
  const std::string error = exec_error_text(process->exec_error.get(), *process->release, done);
  if (!done) return;
  process->exec_poll.reset();
  process->exec_error.reset();
  if (error.empty()) return;
  process->never_ran = true;
  spdlog::error("{}: generation {}: {}", name(), generation, error);
  feed(SpawnFailed{generation, error});
}

// What anybody has said till now comes before a conclusion from an exit or from the clock: a
// donor's verdict on its heir's death, or an heir's word that it owns, which both lay here while
// this process was stopped.
void ServiceRunner::hear_all() {
  std::vector<Process*> all;
  all.reserve(processes_.size());
  for (auto& [generation, process] : processes_) all.push_back(process.get());
  for (Process* process : all) {
    if (process->channel) process->channel->drain();
  }
}

bool ServiceRunner::ended(pid_t pid, const Exit& exit) {
  if (health_.ended(pid, exit)) return true;
  for (auto& [generation, process] : processes_) {
    if (process->pid != pid) continue;
    const Generation dead = generation;
    exec_known(dead);
    hear_all();
    // The end of who leaves is the end of a handoff, and of its report: it is told after that of
    // the owner, who has ended as well and is about to be reaped.
    const Process* owner = current();
    if (owner != nullptr && owner->pid != pid && handoff::io::has_exited(owner->pidfd.get())) {
      ended_later_.emplace_back(pid, exit);
      return true;
    }
    const bool ran = !process->never_ran;
    processes_.erase(dead);
    if (ran) {
      spdlog::info("{}: generation {} (pid {}) {}", name(), dead, pid, describe(exit));
      feed(Exited{dead, exit});
    } else {
      host_.changed();
    }
    for (const auto& [later, how] : std::exchange(ended_later_, {})) ended(later, how);
    return true;
  }
  return false;
}

// ---- those of the supervisor before this one
// -----------------------------------------------------------------------------------------------

void ServiceRunner::resume(SavedService saved, std::vector<std::unique_ptr<Process>> living,
                           bool requested) {
  last_upgrade_ = saved.last_upgrade;
  by_itself_ = saved.machine.by_itself;
  take_up_releases(saved);
  if (requested && saved.machine.heir == 0) {
    Report report{.from = saved.machine.current};
    report.code = "cancelled";
    report.message = "the supervisor died before the new release ran";
    remember(report_json(name(), report, party_of(saved, saved.machine.current), {}));
  }
  if (living.empty() && saved.machine.heir == 0) {
    Found nobody = saved.machine;
    nobody.current = 0;
    feed(nobody);
    start();
    return;
  }
  std::vector<Generation> leaving;
  for (auto& process : living) {
    const Generation generation = process->generation;
    process->exit_poll =
        std::make_unique<Poll>(host_.loop, process->pidfd.get(), [this, generation](int) {
          const Process* gone = find(generation);
          if (gone == nullptr) return;
          const Exit exit = exit_of(*gone);
          (void)ended(gone->pid, exit);
        });
    process->exit_poll->watch(UV_READABLE);
    if (generation == saved.machine.heir && saved.machine.candidate) candidate_ = process->release;
    if (process->release->same_as(*release_) && may_run_again(*process->release, config_)) {
      release_ = process->release;
    }
    spdlog::info("{}: generation {} (pid {}) was found", name(), generation, process->pid);
    for (const SavedProcess& known : saved.processes) {
      if (known.leaving && known.generation == generation) leaving.push_back(generation);
    }
    processes_[generation] = std::move(process);
  }
  feed(saved.machine);
  for (const Generation generation : leaving) feed(DonorRetired{.generation = generation});
  if (saved.machine.heir != 0) {
    from_ = party_of(saved, saved.machine.current);
    to_ = party_of(saved, saved.machine.heir);
    asked_at_ = now();
  }
  for (const Generation generation : {saved.machine.heir, saved.machine.current}) {
    if (generation != 0 && find(generation) == nullptr) {
      feed(Exited{generation, {.unseen = true}});
    }
  }
}

Party ServiceRunner::party_of(const SavedService& saved, Generation generation) {
  for (const SavedProcess& process : saved.processes) {
    if (process.generation != generation) continue;
    return {process.release.name, generation, process.pid, process.release.digest,
            process.release.path};
  }
  return {.generation = generation};
}

bool ServiceRunner::returned(pid_t pid, UniqueFd& fd) {
  for (auto& [generation, process] : processes_) {
    if (process->pid != pid) continue;
    const bool connected = process->channel && process->channel->open();
    if (connected || process->barred || io::has_exited(process->pidfd.get())) return false;
    spdlog::info("{}: generation {} (pid {}) is back", name(), generation, pid);
    process->channel = open_channel(std::move(fd), generation);
    return true;
  }
  return false;
}

SavedService ServiceRunner::saved() const {
  const auto release_of = [](const Release& release) {
    SavedRelease out{release.path, release.args, release.digest,  release.name, release.source,
                     "",           "",           release.verified};
    if (release.folder) {
      out.folder = release.folder->path();
      out.tree = release.folder->tree();
    }
    return out;
  };
  SavedService out{.name = name(),
                   .machine = machine_.found(),
                   .command = release_command_,
                   .release = release_of(*release_),
                   .back = std::nullopt,
                   .processes = {},
                   .last_upgrade = last_upgrade_};
  if (back_ && machine_.probation().has_back()) out.back = release_of(*back_);
  for (const auto& [generation, process] : processes_) {
    if (process->never_ran) continue;
    out.processes.push_back({.generation = generation,
                             .pid = process->pid,
                             .started = process->started,
                             .since = std::chrono::system_clock::to_time_t(process->since),
                             .release = release_of(*process->release),
                             .leaving = machine_.late().leaves(generation)});
  }
  return out;
}

}  // namespace handoff::supervisor
