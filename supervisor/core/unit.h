// The systemd unit that the supervisor runs in: which of its settings would end services that the
// supervisor keeps, or leave them without one. systemd.service(5), systemd.kill(5),
// systemd.unit(5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace handoff::supervisor {

// As systemd says them on D-Bus; what it did not say is nullopt.
struct UnitSettings {
  std::string name;
  std::optional<std::string> kill_mode;
  std::optional<std::string> restart;
  std::optional<std::string> oom_policy;
  std::optional<std::string> runtime_preserve;
  std::optional<std::vector<std::string>> runtime_dirs;  // RuntimeDirectory=, below /run or so
  std::optional<std::uint32_t> fd_store_max;
  std::optional<std::uint32_t> start_limit_burst;
  std::optional<std::uint64_t> start_limit_us;  // 0 and ~0: no limit
  std::optional<std::uint64_t> watchdog_us;     // likewise
};

// Sentences for the log, each with the setting that mends it. runtime: the runtime folder.
std::vector<std::string> unit_faults(const UnitSettings& unit, std::size_t listeners,
                                     const std::string& runtime);

}  // namespace handoff::supervisor
