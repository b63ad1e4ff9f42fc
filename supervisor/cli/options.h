// What was asked on the command line, command by command.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/cli/exit_status.h"
#include "supervisor/core/time.h"

namespace handoff::supervisor {

struct RunOptions {
  bool json = false;
  std::string config;
  std::string name;
  std::vector<std::string> listen;
  std::string working_dir;
  bool no_restart = false;
  bool vault = false;
  bool check = false;
  std::optional<std::vector<std::string>> watch;  // no names: all
  std::optional<Duration> settle;
  GivenTimeouts timeouts;
  std::vector<std::string> command;
};

struct UpgradeOptions {
  bool json = false;
  std::string service;
  bool self = false;        // the supervisor; service is empty then
  bool configured = false;  // what the configuration names, unless it runs
  bool allow_downgrade = false;
  bool ignore_memory = false;
  bool one_way = false;
  std::string binary;  // "" for the file at the path that runs now
  std::optional<std::vector<std::string>> args;
  GivenTimeouts timeouts;
  std::vector<std::uint32_t> shares;  // --progressive, in thousandths
  std::optional<Duration> pause;
};

struct PlanOptions {
  bool json = false;
  bool allow_downgrade = false;
  bool ignore_memory = false;
  bool one_way = false;
  std::string service;
  std::string binary;  // "" for the file at the path that runs now
  std::optional<std::vector<std::string>> args;
  GivenTimeouts timeouts;
};

struct ServiceOptions {  // status, stop, restart, rollback, commit, history, reload
  bool json = false;
  bool ignore_memory = false;  // restart, rollback
  std::string service;
  GivenTimeouts timeouts;
};

struct CheckOptions {
  bool json = false;
  std::string config;
};

struct DoctorOptions {
  bool json = false;
  bool failpoints = false;  // list them instead
};

ExitStatus run_command(const RunOptions& options);
ExitStatus upgrade_command(const UpgradeOptions& options);
ExitStatus plan_command(const PlanOptions& options);
ExitStatus restart_command(const ServiceOptions& options);
ExitStatus rollback_command(const ServiceOptions& options);
ExitStatus commit_command(const ServiceOptions& options);
ExitStatus stop_command(const ServiceOptions& options);
ExitStatus status_command(const ServiceOptions& options);
ExitStatus history_command(const ServiceOptions& options);
ExitStatus reload_command(const ServiceOptions& options);
ExitStatus check_command(const CheckOptions& options);
ExitStatus doctor_command(const DoctorOptions& options);
ExitStatus completion_command(const std::string& shell, bool json);

// The whole program.
int run_cli(int argc, char** argv);

}  // namespace handoff::supervisor
