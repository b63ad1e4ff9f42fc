// What the supervisor before this one has left: the state file, processes that still run, and what
// was chosen for a service of which nothing runs. The state file may be lost, broken, or older than
// the processes: they are looked for then, and believed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/host/runtime_dir.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/processes/census.h"

namespace handoff::supervisor {

// Of one service.
struct Before {
  SavedService saved;
  std::vector<std::unique_ptr<Process>> living;
  // They live, and no state file tells of them. What they run is not known yet.
  std::vector<std::unique_ptr<Process>> orphans = {};
  bool kept = false;     // keepers have what its processes had, who may have ended
  bool awaited = false;  // one may live that nothing tells from a stranger until it comes back
};

class Predecessor {
 public:
  // A state file that can't be read is set aside, and said to be lost. Refused is a link in its
  // place: nobody is to be told that this is in order.
  // state: the state folder. handed: what the one before has passed in place of the file (kState),
  // for which there may be no room; invalid if it did not.
  static Result<Predecessor> read(const RuntimeDir& runtime, const std::string& boot,
                                  std::string state, const UniqueFd& handed);

  // By service, what the history may lack. Before anything is taken.
  std::map<std::string, std::vector<nlohmann::json>> unrecorded() const;
  // Of the service of that name; nullopt if nothing is known of it. Once.
  std::optional<Before> take(const ServiceConfig& config);
  // What is left once the configuration's services are taken: those that its supervisor went on
  // running after it was told of a configuration without them. By name, the text that had them
  // last.
  std::map<std::string, std::string> unnamed() const;
  // Of services that the configuration does not name, what still runs. Last.
  std::vector<SavedService> take_foreign();

 private:
  explicit Predecessor(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
  SavedState state_;
  bool lost_ = false;  // there was a file, and it can't be read
  std::vector<Orphan> orphans_;
};

// Again, of one that take_foreign() gave.
Before find_before(SavedService saved);

// A process of the service turned out to live.
void add_living(Before& before, std::unique_ptr<Process> process);

// An orphan, of which it is known by now what it runs.
void take_orphan(Before& before, std::unique_ptr<Process> process);

// Takes as long as reading a program takes, and touches nothing of Supervisor, so that a thread can
// do it. What a process runs that was found or came back: one that is known of its service (null:
// nothing is), else as far as that can be seen, else what the configuration names, not opened.
ReleasePtr release_of_orphan(pid_t pid, const ServiceConfig& config, const SavedService* known,
                             const std::string& state);

}  // namespace handoff::supervisor
