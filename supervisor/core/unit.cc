#include "supervisor/core/unit.h"

#include <algorithm>
#include <limits>

namespace handoff::supervisor {
namespace {

bool limited(const std::optional<std::uint64_t>& us) {
  return us && *us != 0 && *us != std::numeric_limits<std::uint64_t>::max();
}

// One of the unit's own folders, or below one.
bool in_runtime_dir(const UnitSettings& unit, const std::string& runtime) {
  return unit.runtime_dirs &&
         std::any_of(unit.runtime_dirs->begin(), unit.runtime_dirs->end(),
                     [path = runtime + "/"](const std::string& folder) {
                       return path.find("/" + folder + "/") != std::string::npos;
                     });
}

}  // namespace

std::vector<std::string> unit_faults(const UnitSettings& unit, std::size_t listeners,
                                     const std::string& runtime) {
  std::vector<std::string> out;
  const auto fault = [&](const std::string& what, const std::string& mend) {
    out.push_back(unit.name + ": " + what + ": set " + mend + " in the unit");
  };
  if (unit.kill_mode && *unit.kill_mode != "process" && *unit.kill_mode != "none") {
    fault("with KillMode=" + *unit.kill_mode +
              " systemd ends all services when it ends the supervisor, or finds it dead",
          "KillMode=process");
  }
  if (unit.restart && *unit.restart != "always") {
    fault("with Restart=" + *unit.restart +
              " it depends on how the supervisor ends whether another one adopts the services",
          "Restart=always");
  }
  if (limited(unit.start_limit_us) && unit.start_limit_burst.value_or(1) != 0) {
    fault("after " + std::to_string(unit.start_limit_burst.value_or(1)) +
              " starts in a row systemd starts no other supervisor, and nobody adopts the services",
          "StartLimitIntervalSec=0");
  }
  if (unit.oom_policy && *unit.oom_policy != "continue") {
    fault("with OOMPolicy=" + *unit.oom_policy +
              " systemd stops the supervisor and all services when the kernel ends one of them for "
              "want of memory",
          "OOMPolicy=continue");
  }
  if (unit.runtime_preserve && *unit.runtime_preserve == "no" && in_runtime_dir(unit, runtime)) {
    fault("systemd removes " + runtime +
              " whenever the supervisor has ended, and with it what the next one has to know of "
              "services that live on",
          "RuntimeDirectoryPreserve=yes");
  }
  if (limited(unit.watchdog_us)) {
    fault("with WatchdogSec= systemd kills a supervisor that sleeps since nothing happens",
          "WatchdogSec=0");
  }
  if (unit.fd_store_max && *unit.fd_store_max < listeners) {
    fault("systemd keeps " + std::to_string(*unit.fd_store_max) + " of " +
              std::to_string(listeners) +
              " listeners; connections to the others are refused while supervisor and service are "
              "both dead",
          "FileDescriptorStoreMax=" + std::to_string(listeners));
  }
  return out;
}

}  // namespace handoff::supervisor
