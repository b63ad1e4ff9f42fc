#include "libhandoff/service/session_processes.h"

namespace handoff::io {

void SessionProcesses::set(std::uint64_t session, const protocol::SessionProcess& process) {
  const std::lock_guard held(lock_);
  processes_[session] = process;
  count_.store(processes_.size(), std::memory_order_release);
}

void SessionProcesses::forget(std::uint64_t session) {
  if (none()) return;
  const std::lock_guard held(lock_);
  processes_.erase(session);
  count_.store(processes_.size(), std::memory_order_release);
}

std::optional<protocol::SessionProcess> SessionProcesses::of(std::uint64_t session) const {
  if (none()) return std::nullopt;
  const std::lock_guard held(lock_);
  const auto found = processes_.find(session);
  if (found == processes_.end()) return std::nullopt;
  return found->second;
}

std::map<std::uint64_t, protocol::SessionProcess> SessionProcesses::all() const {
  const std::lock_guard held(lock_);
  return processes_;
}

}  // namespace handoff::io
