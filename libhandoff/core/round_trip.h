// How long a round trip of a switch takes, by the two Hellos of a rehearsal.
#pragma once

#include <algorithm>
#include <cstdint>

namespace handoff::core {

// Moments of CLOCK_MONOTONIC; heard_at_ns is the heir's, 0 from an heir of before, and another
// clock's where the heir has a time namespace of its own (time_namespaces(7)): both are known by
// not lying between the others.
struct Hellos {
  std::uint64_t sent_ns = 0;
  std::uint64_t heard_at_ns = 0;  // by the heir
  std::uint64_t answered_ns = 0;  // as the donor has it
  std::uint64_t room_ns = 0;      // that the heir had work of its own
};

// In the freeze the donor does nothing but wait for the heir, which has its core. In a rehearsal it
// serves meanwhile: it may hear late, and its heir may wait for a core. So the shorter way counts
// twice.
inline std::uint64_t round_trip_ns(const Hellos& hellos) {
  if (hellos.sent_ns <= hellos.heard_at_ns && hellos.heard_at_ns <= hellos.answered_ns) {
    return 2 *
           std::min(hellos.heard_at_ns - hellos.sent_ns, hellos.answered_ns - hellos.heard_at_ns);
  }
  const std::uint64_t took = hellos.answered_ns - hellos.sent_ns;
  return took - std::min(took, hellos.room_ns);
}

}  // namespace handoff::core
