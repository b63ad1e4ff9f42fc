// The variables by which a supervisor and its commands find each other's folders. A service gets
// them only by `env` of the config, where no other HANDOFF_... may stand.
#pragma once

#include <string_view>

namespace handoff::supervisor {

inline constexpr const char* kRuntimeVariable = "HANDOFF_RUNTIME_DIR";
inline constexpr const char* kStateVariable = "HANDOFF_STATE_DIR";

constexpr bool names_folder(std::string_view variable) {
  return variable == kRuntimeVariable || variable == kStateVariable;
}

}  // namespace handoff::supervisor
