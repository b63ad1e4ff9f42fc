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

// The supervisor's listeners as a Start names them.
std::vector<Passed> passed(const std::vector<const Listener*>& listeners) {
  std::vector<Passed> out;
  out.reserve(listeners.size());
  for (const Listener* one : listeners) {
    out.push_back({{one->name(), one->address(), one->inode(), one->device()}, one->fd()});
  }
  return out;
}

std::vector<NamedFd> named_by(const std::vector<Passed>& listeners) {
  std::vector<NamedFd> out;
  for (const Passed& one : listeners) {
    out.push_back({one.named.name, one.named.address, one.named.inode, one.named.device});
  }
  return out;
}

// By name and address alone.
std::vector<Passed> offered(const Process& donor, const std::vector<NamedAddress>& missing) {
  std::vector<Passed> out;
  for (const NamedFd& one : donor.named) {
    if (!one.address.empty()) out.push_back({{one.name, one.address, one.inode, one.device}, -1});
  }
  for (const NamedAddress& one : missing) {
    out.push_back({{one.name, core::to_string(one.address)}, -1});
  }
  return out;
}

}  // namespace

Result<void> ProcessTable::start(const Spawn& spawn, ReleasePtr release, StartQueue::Place place) {
  auto process = std::make_unique<Process>();
  process->place = std::move(place);
  process->generation = spawn.generation;
  process->release = std::move(release);
  process->since = std::chrono::system_clock::now();
  process->spread = spawn.spread;
  process->reads = spawn.vault_of;
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
  if (auto bound = bind_for(spawn, process); !bound) return bound;
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
  if (auto prepared = prepare_reader(spawn, process); !prepared) return prepared;
  std::vector<int> passed;
  for (const UniqueFd& fd : process.passed) passed.push_back(fd.get());
  if (!send_start(spawn, process, mailbox->fd.get())) {
    return fail(-EIO, "its control socket takes no Start");
  }
  if (const int error = failpoint::hit("supervisor.spawn.before"); error != 0) {
    return Failure(Error::from_errno(error, "fork"));
  }
  const UniqueFd cgroup = make_cgroup(process);
  auto spawned = supervisor::spawn({.release = process.release.get(),
                                    .service = name(),
                                    .generation = generation,
                                    .control_fd = theirs.get(),
                                    .kept = std::move(passed),
                                    .cgroup_procs = cgroup.get(),
                                    .report_path = host_.report_path,
                                    .mailbox = process.mailbox,
                                    .environment = config_.environment,
                                    .working_dir = config_.working_dir});
  if (!spawned) return Failure(spawned.error());
  process.passed.clear();
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

Result<void> ProcessTable::bind_for(const Spawn& spawn, const Process& process) {
  if (spawn.vault_of != 0) return {};  // it accepts from nobody
  if (!spawn.heir) {
    // Nobody has them any more who could show them: a fresh start, with fresh ones.
    const auto left_out =
        to_close(config_.unclaimed, listeners_.wanted_names(), process.release->claims, true);
    auto bound = listeners_.bind_missing(left_out, process.release->claims, !spawn.candidate);
    for (Listener& one : listeners_.take_replaced()) ends_.end(std::move(one));
    return bound;
  }
  const Process* donor = owner();
  if (!spawn.rehearsal && donor != nullptr) donor_before_ = donor->generation;
  if (!spawn.rehearsal && spawn.goes_back) went_back_ = spawn.generation;
  // A release that goes back gets what it had, and so does one whose process has died.
  if (donor == nullptr || spawn.goes_back || donor->reads != 0) return {};
  return listeners_.bind_for_heir(donor->named, !spawn.rehearsal, &ends_);
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
  StartOf start{.service = name(),
                .generation = spawn.generation,
                .report_path = host_.report_path,
                .mailbox = mailbox};
  StartListeners out;
  UniqueFd heirs_end;
  std::vector<const Listener*> before = ends_.all();
  if (spawn.heir) {
    const Process* donor = owner();
    auto channel = io::Channel::make_pair();
    if (!channel || donor == nullptr) return false;
    process.donor_end = std::move(channel->second);
    heirs_end = std::move(channel->first);
    start.heir_fds = {heirs_end.get(), donor->pidfd.get()};
    start.heir = HandoffEnd{.id = spawn.generation,
                            .channel_index = 0,
                            .peer_index = 1,
                            .peer_pid = static_cast<std::uint32_t>(donor->pid),
                            .timeouts = spawn.timeouts,
                            .rehearsal = spawn.rehearsal,
                            .drain_incompatible = config_.drain_incompatible,
                            .spread = spawn.spread,
                            .donor_kept = donor->reads != 0 || donor->vault.kept()};
    const auto its = listeners_.for_heir(donor->named, !spawn.goes_back);
    out.kept = passed(its.kept);
    out.moved = passed(its.moved);
    out.offered = offered(*donor, its.missing);
    before.insert(before.end(), its.before.begin(), its.before.end());
  } else {
    std::vector<const Listener*> its;
    std::vector<const Listener*> kept;
    for (const Listener* one : listeners_.here()) {
      (claims(process.release->claims, one->name()) ? its : kept).push_back(one);
    }
    out.listeners = passed(its);
    if (spawn.vault_of == 0) out.kept = passed(kept);
    // Its heir is told of them before it has said so itself.
    if (spawn.vault_of != 0) process.named = named_by(out.listeners);
  }
  if (!spawn.rehearsal && spawn.vault_of == 0) out.before = passed(before);
  const UniqueFd keepers_mailbox = give_vault(spawn, process);
  if (keepers_mailbox.valid()) {
    start.vault_fds = {process.vault.memory.get(), keepers_mailbox.get()};
  }
  for (StartFrame& frame : start_frames(start, out)) {
    if (!process.send(protocol::Type::kStart, std::move(frame.body), frame.fds)) return false;
  }
  return true;
}

}  // namespace handoff::supervisor
