// What a configuration that was read again changes, when, and what it can't change under a service
// that runs. Pure: whoever asks applies the outcome.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "supervisor/config/config.h"

namespace handoff::supervisor {

struct ConfigChange {
  enum class When {
    kNow,
    kNextStart,    // of a process, by a handoff or not
    kFreshStart,   // from nothing: after a stop or a crash
    kNextUpgrade,  // `handoff upgrade` without a BINARY
    kNot,          // it stays as it is; what says what helps
  };
  std::string service;
  std::string key;
  When when = When::kNow;
  std::string what;
};

// Of a listener that is bound: of this key, when kNow.
inline constexpr const char* kOptionsAreSet = "mode, owner and backlog are set";

struct ConfigOutcome {
  ServiceConfig config;  // what holds from now on
  std::vector<ConfigChange> changes;
};
// idle: no process of it is alive, so that nobody uses its listeners. never_opened: its command
// could not be opened yet, so that nothing is kept of it.
ConfigOutcome change_config(const ServiceConfig& now, const ServiceConfig& wanted, bool idle,
                            bool never_opened = false);

// Of the supervisor itself: these have no service.
std::vector<ConfigChange> change_history(const HistoryConfig& now, const HistoryConfig& wanted);

// {"changed":[{"service","key","when","message"}],"unchanged":[{"service","key","message"}]}.
nlohmann::json changes_json(const std::vector<ConfigChange>& changes);

}  // namespace handoff::supervisor
