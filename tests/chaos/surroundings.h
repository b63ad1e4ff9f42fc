// The table of the second half: what surrounds a service goes wrong, or something else of it is
// under way, and then somebody is struck. A cell's name is like those of the matrix:
// echo/surroundings/stalled-log/supervisor.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cell.h"

namespace chaos {

enum class What {
  kStalledLog,         // the reader of the supervisor's log stops reading: a full pipe
  kStateDiskFull,      // the disk of the state folder
  kRuntimeDiskFull,    // the disk of the runtime folder
  kStateLost,          // the state file is removed
  kStateBroken,        // the state file holds nonsense
  kBinaryMoved,        // the file of the release that runs is moved away
  kBinaryReplaced,     // another program lies at its path
  kBinaryOverwritten,  // another program's bytes are in the file itself
  kFlood,              // another service talks without end on its control socket
  kProbation,          // the release is on probation
  kPlan,               // a plan is under way
  kStopInUpgrade,      // a stop was asked for during an upgrade
  kUpgradeInStop,      // an upgrade was asked for during a stop
};

enum class Hit {
  kSupervisor,  // the supervisor is killed, and started again
  kSelf,        // `handoff upgrade --self`
  kService,     // the service is killed
};

std::string_view name(What what);
std::string_view name(Hit hit);

struct Siege {
  Service service = Service::kEcho;
  What what = What::kStalledLog;
  Hit hit = Hit::kSupervisor;
  friend bool operator==(const Siege&, const Siege&) = default;
};

std::string name(const Siege& siege);
// nothing if the text names no such cell.
std::optional<Siege> parse_siege(std::string_view text);
std::optional<Hit> parse_hit(std::string_view text);

struct SiegeSelection {
  std::optional<Service> service;
  std::optional<Hit> hit;
  std::string what = "*";  // a glob
  bool core = false;       // the supervisor of echo is killed, once in each surrounding
};

std::vector<Siege> sieges(const SiegeSelection& selection);

}  // namespace chaos
