// The state of a session as release 2 knows it, version 2, and the steps to version 1 and back. It
// also has when the client connected and how many requests it has made.
#ifndef HANDOFF_EXAMPLES_KV_V2_SESSION_STATE_H
#define HANDOFF_EXAMPLES_KV_V2_SESSION_STATE_H

#include <string>
#include <string_view>

#include "common.h"
#include "session_core.h"

namespace kv {

struct SessionState : SessionCore {
  Time connected = kNever;  // kNever for a session that comes from release 1
  std::uint64_t commands = 0;

  void note_opened(Time now) { connected = now; }
  void note_command() { ++commands; }
  // Appends what CLIENT LIST says in this release.
  void describe(Time now, std::string& out) const;
  bool operator==(const SessionState&) const = default;
};

inline constexpr std::uint32_t kSessionStateVersion = 2;

std::string encode_session(const SessionState& state);
// Throws Malformed.
SessionState decode_session(std::string_view bytes);

// Both throw Malformed.
std::string session_1_to_2(std::string_view bytes);
std::string session_2_to_1(std::string_view bytes);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_V2_SESSION_STATE_H
