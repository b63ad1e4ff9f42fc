// What an author says that connections do: checked, and copied as far as this build knows it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "handoff/poll.h"

namespace handoff::poll {

// Members that a program of an earlier version has not are NULL.
inline handoff_conn_ops copy_of(const handoff_conn_ops& given) {
  handoff_conn_ops out{};
  std::memcpy(&out, &given, std::min(given.size, sizeof out));
  out.size = sizeof out;
  return out;
}

inline bool large_enough(const handoff_conn_ops* given) {
  return given != nullptr && given->size >= offsetof(handoff_conn_ops, connected);
}

// An upstream has no session of its own, so that all which is about sessions is left out.
inline bool well_formed_upstream(const handoff_conn_ops* given) {
  if (!large_enough(given)) return false;
  const handoff_conn_ops ops = copy_of(*given);
  return ops.opened == nullptr && ops.save == nullptr && ops.restore == nullptr &&
         ops.adopted == nullptr && ops.closing == nullptr && ops.closed == nullptr &&
         ops.moved == nullptr && ops.destroy == nullptr && ops.kind == nullptr && ops.flags == 0 &&
         ops.upstream == nullptr;
}

inline bool well_formed(const handoff_conn_ops* given) {
  if (!large_enough(given)) return false;
  const handoff_conn_ops ops = copy_of(*given);
  return (ops.save == nullptr) == (ops.restore == nullptr) &&
         (ops.flags & ~HANDOFF_SESSION_INDEPENDENT) == 0 &&
         (ops.upstream == nullptr ? ops.input != nullptr : well_formed_upstream(ops.upstream));
}

}  // namespace handoff::poll
