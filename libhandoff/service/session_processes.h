// The processes that sessions need, by session: a shell behind a connection, say. All lanes share
// the object, and any thread may use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "libhandoff/protocol/session_messages.h"

namespace handoff::io {

class SessionProcesses {
 public:
  void set(std::uint64_t session, const protocol::SessionProcess& process);
  void forget(std::uint64_t session);
  std::optional<protocol::SessionProcess> of(std::uint64_t session) const;
  std::map<std::uint64_t, protocol::SessionProcess> all() const;

 private:
  // Most services have none, and are asked for each session of a copy.
  bool none() const { return count_.load(std::memory_order_acquire) == 0; }

  mutable std::mutex lock_;
  std::map<std::uint64_t, protocol::SessionProcess> processes_;
  std::atomic<std::size_t> count_ = 0;
};

}  // namespace handoff::io
