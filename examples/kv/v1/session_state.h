// The state of a session as release 1 knows it: version 1.
#ifndef HANDOFF_EXAMPLES_KV_V1_SESSION_STATE_H
#define HANDOFF_EXAMPLES_KV_V1_SESSION_STATE_H

#include <string>
#include <string_view>

#include "common.h"
#include "session_core.h"

namespace kv {

struct SessionState : SessionCore {
  void note_opened(Time /*now*/) {}
  void note_command() {}
  // Appends what CLIENT LIST says in this release.
  void describe(Time /*now*/, std::string& /*out*/) const {}
  bool operator==(const SessionState&) const = default;
};

inline constexpr std::uint32_t kSessionStateVersion = 1;

std::string encode_session(const SessionState& state);
// Throws Malformed.
SessionState decode_session(std::string_view bytes);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_V1_SESSION_STATE_H
