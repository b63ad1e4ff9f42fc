// What an operator asks over the control socket: one JSON object, of which every member is checked
// here before anything follows it. The command line checks as well, but any program may connect.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "supervisor/core/time.h"

namespace handoff::supervisor {

struct Request {
  enum class Command {
    kStatus,
    kHistory,
    kReload,
    kSelf,
    kUpgrade,
    kPlan,
    kDropPlan,
    kRestart,
    kRollback,
    kCommit,
    kStop,
  };
  Command command = Command::kStatus;
  std::string service;                           // "" only where it may be: all, or the supervisor
  std::string path;                              // of the new release; "" for the one that runs
  bool allow_downgrade = false;                  // a release that is signed as an older one
  bool ignore_memory = false;                    // tried, though there may be no room for it
  bool one_way = false;                          // though nobody could hand back
  bool configured = false;                       // what the configuration names, if it is another
  std::optional<std::vector<std::string>> args;  // nullopt: those of the release that runs
  GivenTimeouts timeouts;                        // at most a day each
  std::vector<std::uint32_t> shares;             // as valid_shares() has it; empty: all at once
  Duration pause{};                              // between two shares; at most a day
};

// The error is for whoever has asked: which member, and what it should be. Members with other names
// are passed over, so that a newer client can ask an older supervisor.
Result<Request> parse_request(const nlohmann::json& object);

}  // namespace handoff::supervisor
