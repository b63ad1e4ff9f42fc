// How far a donor's copy has come: of one line, summed over the lines of a lane, then over lanes.
#pragma once

#include <cstdint>

namespace handoff::io {

struct Progress {
  std::uint64_t sessions_sent = 0;
  std::uint64_t bytes = 0;    // of sessions and chunks
  std::uint64_t at_heir = 0;  // sessions that the heir has
  std::uint64_t dirty = 0;    // sessions that have changed, opened or ended since they were sent
  std::uint64_t staying = 0;  // sessions that stay here; from the freeze on
  std::uint64_t large = 0;    // bytes of large sessions, in this round
  std::uint64_t closing = 0;  // that are reset at the switch, since they can't be moved

  Progress& operator+=(const Progress& other) {
    sessions_sent += other.sessions_sent;
    bytes += other.bytes;
    at_heir += other.at_heir;
    dirty += other.dirty;
    staying += other.staying;
    large += other.large;
    closing += other.closing;
    return *this;
  }
};

}  // namespace handoff::io
