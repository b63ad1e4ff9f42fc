// The part of ProcessTable that starts a process, and what the process is told by Start.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "libhandoff/sys/failpoint.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/identity.h"
#include "supervisor/processes/mailbox.h"
#include "supervisor/processes/spawn.h"
#include "supervisor/service/process_table.h"

namespace handoff::supervisor {
namespace {

bool has(const Process& process, const std::string& name) {
  return std::any_of(process.named.begin(), process.named.end(),
                     [&](const NamedFd& named) { return named.name == name; });
}

}  // namespace

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
    const auto left_out =
        to_close(config_.unclaimed, listeners_.wanted_names(), process.release->claims, true);
    if (auto bound = listeners_.bind_missing(left_out); !bound) return bound;
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

// Of the listeners that the supervisor has; their fds are added.
std::vector<NamedFd> ProcessTable::listed(const std::function<bool(const std::string&)>& is,
                                          std::vector<int>& fds) const {
  std::vector<NamedFd> out;
  for (const Listener* listener : listeners_.here()) {
    if (!is(listener->name())) continue;
    out.push_back({listener->name(), listener->address(), listener->inode(), listener->device()});
    fds.push_back(listener->fd());
  }
  return out;
}

// Start lies in the socket before the process exists.
bool ProcessTable::send_start(const Spawn& spawn, Process& process, int mailbox) {
  if (!spawn.heir) {
    std::vector<int> fds;
    const auto listeners =
        listed([&](const std::string& one) { return claims(process.release->claims, one); }, fds);
    const auto kept =
        listed([&](const std::string& one) { return !claims(process.release->claims, one); }, fds);
    if (mailbox >= 0) fds.push_back(mailbox);
    return process.send(
        protocol::Type::kStart,
        encode_start(name(), spawn.generation, listeners, host_.report_path, mailbox >= 0, kept),
        fds);
  }
  const Process* donor = owner();
  auto channel = io::Channel::make_pair();
  if (!channel || donor == nullptr) return false;
  process.donor_end = std::move(channel->second);
  std::vector<int> fds{channel->first.get(), donor->pidfd.get()};
  const auto kept = listed([donor](const std::string& one) { return !has(*donor, one); }, fds);
  const std::string body = encode_start_heir(name(), spawn.generation,
                                             {.id = spawn.generation,
                                              .channel_index = 0,
                                              .peer_index = 1,
                                              .peer_pid = static_cast<std::uint32_t>(donor->pid),
                                              .timeouts = spawn.timeouts,
                                              .rehearsal = spawn.rehearsal,
                                              .drain_incompatible = config_.drain_incompatible,
                                              .spread = spawn.spread},
                                             host_.report_path, mailbox >= 0, kept);
  if (mailbox >= 0) fds.push_back(mailbox);
  return process.send(protocol::Type::kStart, body, fds);
}

}  // namespace handoff::supervisor
