// Fds that outlive a supervisor: those that systemd keeps for it (FDSTORE=1, given back as
// LISTEN_FDS), and those that it passes to its successor in the same process (upgrade --self).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

class KeptFds {
 public:
  // Takes them, once, and unsets the variables. Close-on-exec from here on.
  static KeptFds from_environment();

  // Invalid if there is none of that name.
  UniqueFd take(const std::string& name);
  bool empty() const { return fds_.empty(); }
  const std::map<std::string, UniqueFd>& left() const { return fds_; }

  // For the successor: what HANDOFF_KEPT has to say of these fds (borrowed).
  static std::string describe(const std::map<std::string, int>& fds);
  // The reverse. Nothing where that is for another process; what is no such text is left out.
  static std::map<std::string, int> read(std::string_view text);

 private:
  std::map<std::string, UniqueFd> fds_;
};

// What a supervisor passes to its successor in the same process, besides listeners
// ("SERVICE/LISTENER").
inline constexpr const char* kLock = "@lock";
inline constexpr const char* kOperators = "@operators";
inline constexpr const char* kServices = "@services";
inline constexpr const char* kClient = "@client";
inline constexpr const char* kState =
    "@state";  // a blob (libhandoff/sys/memory.h): of saved_state.h

// Behind the name of a listener that moves to another address: the one that it moves from.
inline constexpr const char* kBefore = "@before";

inline constexpr const char* kKeptVariable = "HANDOFF_KEPT";

}  // namespace handoff::supervisor
