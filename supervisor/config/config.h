// What is to run: from handoff.toml, or from the command line of `handoff run`.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/core/unmovable.h"
#include "supervisor/config/address.h"
#include "supervisor/core/children.h"
#include "supervisor/core/history_limits.h"
#include "supervisor/core/late_sessions.h"
#include "supervisor/core/time.h"
#include "supervisor/core/unclaimed.h"
#include "supervisor/core/vaults.h"

namespace handoff::supervisor {

// How the supervisor asks a release on probation whether it is well.
struct HealthCheck {
  enum class Kind {
    kNone,
    kTcp,      // connects
    kHttp,     // GET path; 2xx is well
    kExec,     // runs command; exit status 0 is well
    kService,  // what the service itself says by handoff_health()
  };
  Kind kind = Kind::kNone;
  std::string listener;              // tcp, http: to this listener; "" for the first one
  std::string path = "/";            // http
  std::vector<std::string> command;  // exec
  Duration interval = std::chrono::seconds(1);
  Duration timeout = std::chrono::seconds(1);
  int failures = 3;  // in a row, then it is not well
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

struct ServiceConfig {
  std::string name;
  std::vector<std::string> command;  // program and arguments
  std::vector<NamedAddress> listen;
  Timeouts timeouts;
  bool restart = true;
  bool release_from_config = false;  // a start from nothing forgets what was chosen
  std::vector<std::string> files;    // of the release beside its program: patterns
  std::map<std::string, std::string> environment;
  std::string working_dir;
  HealthCheck health;
  std::optional<std::uint64_t> max_errors;  // of the service's own, on probation
  bool drain_incompatible = false;  // state of no common version: sessions end with the donor
  UnclaimedPolicy unclaimed;        // what the release that follows does not claim
  handoff::core::Unmovable unmovable = handoff::core::Unmovable::kLate;
  LateSessions late = LateSessions::kMove;
  std::size_t max_generations = 4;                 // processes at once
  ChildrenPolicy children = ChildrenPolicy::kEnd;  // what its processes leave
  bool vault = false;                              // given to a program that asks for one
  Vaults::Policy recoveries;                       // from that
  std::string releases_dir;    // where bundles are unpacked; "" for <state folder>/releases/NAME
  std::string verify_key;      // minisign's public key, or its path; "": nothing is verified
  std::string verify_service;  // what signatures call the service; "" for its name
  const std::string& signed_for() const { return verify_service.empty() ? name : verify_service; }
  friend bool operator==(const ServiceConfig&, const ServiceConfig&) = default;
};

// Of the supervisor, not of a service.
struct HistoryConfig {
  bool required = false;  // no upgrade is begun that is not in the history
  JournalLimits limits;
  friend bool operator==(const HistoryConfig&, const HistoryConfig&) = default;
};

struct Config {
  std::vector<ServiceConfig> services;
  HistoryConfig history = {};
  std::map<std::string, unsigned> lines;  // where keys are in the file: "chat", "chat.command"
  std::string text;                       // what the file says; "" if there is none
};

struct ConfigProblem {
  unsigned line = 0;  // 0: of the file as a whole
  std::string why;
};
// "FILE:LINE: WHY".
std::string describe(const ConfigProblem& problem, const std::string& file);

// A service names at most 1,024 fds (protocol::kMaxNamed). Two for each late process are among
// them, and a service has at most 64 processes.
inline constexpr std::size_t kMaxListeners = 896;

// As far as it could be understood, and everything that is wrong with it, by line.
struct ReadConfig {
  Config config;
  std::vector<ConfigProblem> problems;
};
ReadConfig read_config(const std::string& text);
Result<std::string> read_config_file(const std::string& path);

// Or its first problem. file is the name for messages ("handoff.toml:12: ...").
Result<Config> parse_config(const std::string& text, const std::string& file);
Result<Config> load_config(const std::string& path);

// Why that is no name of a service; "" if it is one. Folders have such names (kept/NAME), so none
// begins with a dot: "." and ".." are other folders, and handoff's own hidden ones begin so.
std::string service_name_problem(const std::string& name);

// Every key outside of services: "history", ...
std::vector<std::string> supervisor_keys();
// Every key of a service that there is: "command", "listen.NAME.mode", "health.type", ...
std::vector<std::string> config_keys();

}  // namespace handoff::supervisor
