// The part of ProcessTable that gives processes their vaults, and keeps those of processes that
// have ended for as long as somebody may go on from them.
#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "supervisor/releases/vault_reader.h"
#include "supervisor/service/process_table.h"

namespace handoff::supervisor {
namespace {

// Its memory is its keeper's to give.
Vault vault_of(const SavedKeeper& keeper) {
  Vault out;
  out.address = keeper.address;
  out.keeper = keeper.pid;
  out.listeners = keeper.listeners;
  return out;
}

}  // namespace

// Its keeper's mailbox; the memory is the process's by now. Not valid: it gets no vault. One that
// can't be given one is not kept from its work.
UniqueFd ProcessTable::give_vault(const Spawn& spawn, Process& process) const {
  if (!config_.vault || spawn.rehearsal || spawn.vault_of != 0) return {};
  auto made = make_vault();
  if (!made) {
    spdlog::error("{}: generation {} gets no vault: {}", name(), spawn.generation,
                  made.error().message);
    process.vault.refused = "it could be given none: " + made.error().message;
    return {};
  }
  process.vault = std::move(made->vault);
  return std::move(made->mailbox);
}

// Its arguments, and two fds that it is executed with.
Result<void> ProcessTable::prepare_reader(const Spawn& spawn, Process& process) {
  if (spawn.vault_of == 0) return {};
  const auto found = vaults_.find(spawn.vault_of);
  if (found == vaults_.end()) {
    return fail(-ENOENT, "there is no vault of generation " + std::to_string(spawn.vault_of));
  }
  Result<void> known = find_memory(found->second);
  auto keeper = known ? call_keeper(found->second) : Failure(known.error());
  if (!keeper) {
    if (has_gone(keeper.error())) {
      vaults_.erase(found);
      callbacks_.happened(VaultLost{spawn.vault_of});
    }
    return Failure(keeper.error());  // tried again while the vault is there
  }
  UniqueFd memory(::fcntl(found->second.memory.get(), F_DUPFD_CLOEXEC, 0));
  if (!memory.valid()) return fail_errno("the vault's memory");
  process.release->args = {"--of",     std::to_string(spawn.vault_of),
                           "--memory", std::to_string(memory.get()),
                           "--keeper", std::to_string(keeper->get())};
  for (const std::uint64_t session : spawn.quarantined) {
    process.release->args.insert(process.release->args.end(),
                                 {"--quarantine", std::to_string(session)});
  }
  process.passed.push_back(std::move(memory));
  process.passed.push_back(std::move(*keeper));
  return {};
}

std::optional<VaultLeft> ProcessTable::take_vault(Generation generation, Vault vault) {
  const auto left = look_at_vault(vault);
  if (left) {
    vaults_[generation] = std::move(vault);
  } else {
    supervisor::drop_vault(vault);
  }
  return left;
}

void ProcessTable::drop_vault(Generation generation) {
  if (const auto vault = vaults_.extract(generation)) supervisor::drop_vault(vault.mapped());
}

std::optional<VaultLeft> ProcessTable::find_vault(const SavedProcess& ended) {
  return take_vault(ended.generation, vault_of(ended.vault));
}

void ProcessTable::take_listeners_of_ended() {
  for (const auto& [generation, vault] : vaults_) {
    std::vector<NamedFd> shown = listeners_of(vault);
    listeners_.take_shown(shown);
  }
}

void ProcessTable::restore_vaults(const std::vector<SavedVault>& saved) {
  for (const SavedVault& one : saved) vaults_[one.generation] = vault_of(one.keeper);
}

std::vector<pid_t> ProcessTable::keepers() const {
  std::vector<pid_t> out;
  for (const auto& [generation, process] : processes_) {
    if (process->vault.keeper != 0) out.push_back(process->vault.keeper);
  }
  for (const auto& [generation, vault] : vaults_) out.push_back(vault.keeper);
  return out;
}

// A child that ended. A service that retires, or leaves, ends its keeper itself.
bool ProcessTable::keeper_ended(pid_t pid) {
  for (auto& [generation, process] : processes_) {
    if (process->vault.keeper != pid) continue;
    process->vault.keeper = 0;
    process->vault.refused = "its keeper has ended";
    const bool serves = owner() == process.get();
    spdlog::log(serves ? spdlog::level::err : spdlog::level::debug,
                "{}: the keeper of generation {} (pid {}) has ended{}", name(), generation, pid,
                serves ? ": a death of that costs its sessions now; handoff restart gives it "
                         "another"
                       : "");
    host_.changed();
    return true;
  }
  for (const auto& [generation, vault] : vaults_) {
    if (vault.keeper != pid) continue;
    const Generation of = generation;
    vaults_.erase(of);
    callbacks_.happened(VaultLost{of});
    return true;
  }
  return false;
}

}  // namespace handoff::supervisor
