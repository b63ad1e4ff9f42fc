// The part of ServiceRunner that goes on where the supervisor before this one was, and that says
// what the next one has to know.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "supervisor/processes/census.h"
#include "supervisor/service/service_runner.h"

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

void ServiceRunner::resume(SavedService saved, std::vector<std::unique_ptr<Process>> living,
                           bool requested) {
  telling_.set_last_upgrade(saved.last_upgrade);
  const bool changed = saved.command != config_.command;
  releases_.restore(saved);
  const auto reopened = [this](bool back_lost) { feed(Reopened{back_lost}); };
  Found& machine = saved.machine;
  processes_.restore_vaults(saved.vaults);
  const auto ended = find_vaults(saved, living);
  const bool from_nothing =
      living.empty() && machine.heir == 0 && !machine.recovery && ended.empty();
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
    machine.gone = std::exchange(machine.current, 0);
    chosen_ = true;
    children_.restore(saved);
    feed(machine);
    releases_.reopen({}, reopened);
    feed(std::move(start));
    return;
  }
  std::vector<Generation> leaving;
  std::map<ReleasePtr, pid_t> runs;
  for (auto& process : living) {
    const Generation generation = process->generation;
    if (process->reads == 0) {
      runs.emplace(process->release, process->pid);
      releases_.found(process->release, generation == machine.heir && machine.candidate);
    }
    for (const SavedProcess& known : saved.processes) {
      if (known.leaving && known.generation == generation) leaving.push_back(generation);
    }
    processes_.adopt(std::move(process));
  }
  if (processes_.empty()) processes_.take_listeners_of_ended();
  find_listeners(saved.listeners);
  children_.restore(saved);
  if (machine.heir != 0) {
    if (!machine.from_vault) machine.request = telling_.resumed(machine.by_itself);
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
      const auto vault = ended.find(generation);
      feed(Exited{generation,
                  {.unseen = true},
                  vault != ended.end() ? std::optional(vault->second) : std::nullopt});
    }
  }
}

// Of those that served, and do not live any more: their keepers may.
std::map<Generation, VaultLeft> ServiceRunner::find_vaults(
    const SavedService& saved, const std::vector<std::unique_ptr<Process>>& living) {
  std::map<Generation, VaultLeft> out;
  for (const SavedProcess& process : saved.processes) {
    const Generation generation = process.generation;
    const bool concerned = generation == saved.machine.current || generation == saved.machine.heir;
    const auto is_it = [generation](const auto& one) { return one->generation == generation; };
    if (!concerned || !process.vault.there() || std::ranges::any_of(living, is_it)) continue;
    if (const auto left = processes_.find_vault(process)) out.emplace(generation, *left);
  }
  return out;
}

// Processes show the listeners that they serve by name. What they have beside those is known from
// the state file, and taken from them before they show anything.
void ServiceRunner::find_listeners(const std::vector<SavedListener>& saved) {
  for (const SavedListener& one : saved) {
    const auto address = core::parse_address(one.address);
    bool is_wanted_there = false;
    for (const NamedAddress& wanted : config_.listen) {
      if (address && wanted.name == one.name) {
        is_wanted_there = core::is_at(*address, wanted.address);
      }
    }
    // Nothing moves any more, or what was kept is here already.
    if (!address || (!one.ends && (is_wanted_there || listeners_.has(one.name)))) continue;
    UniqueFd fd;
    for (const auto& [generation, process] : processes_.all()) {
      if (!fd.valid()) fd = socket_of(*process, {one.inode, one.device});
    }
    if (!fd.valid()) {
      spdlog::warn(
          "{}: listener {} at {}, which was to end, has ended, or is not to be had from the "
          "process: then it ends with that",
          name(), one.name, one.address);
      continue;
    }
    spdlog::info("{}: listener {} at {} was found", name(), one.name, one.address);
    if (!one.ends) {
      std::vector<NamedFd> shown(1);
      shown[0] = {one.name, one.address, one.inode, one.device, std::move(fd)};
      listeners_.take_shown(shown);
    } else if (auto listener = Listener::adopt({one.name, *address}, std::move(fd))) {
      ends_.end(std::move(*listener));
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
                   .last_upgrade = telling_.last_upgrade(),
                   .unrecorded = telling_.unrecorded()};
  releases_.save(out, machine_.probation().has_back());
  processes_.save(out);
  children_.save(out.left);
  const auto note = [&out](const Listener& one, bool ends) {
    out.listeners.push_back({one.name(), one.address(), one.inode(), one.device(), ends});
  };
  for (const Listener* one : listeners_.before()) note(*one, false);
  for (const Listener* one : ends_.all()) {
    // What keeps others from coming is in the socket of TCP alone.
    if (one->asked().kind == core::Address::Kind::kTcp) note(*one, true);
  }
  for (SavedProcess& process : out.processes) {
    process.leaving = machine_.late().leaves(process.generation);
  }
  return out;
}

}  // namespace handoff::supervisor
