// The releases of one service: the one that runs, or would; the one on trial; and the one to go
// back to. Each is open for as long as it is here, so whatever has become of its path, it can be
// started.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/core/service.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/operators/messages.h"
#include "supervisor/processes/service_process.h"
#include "supervisor/releases/drift.h"
#include "supervisor/releases/release_source.h"
#include "supervisor/releases/reopen.h"
#include "supervisor/service/keeper.h"
#include "supervisor/service/reopening.h"
#include "supervisor/service/service_host.h"

namespace handoff::supervisor {

// As a side of a handoff that has no process yet.
Party party_of(const Release& release, Generation generation);
// {"release","digest","path"}.
nlohmann::json release_json(const Release& release);

// What a configuration names.
Wanted configured(const ServiceConfig& config);
// Its path and arguments, for people.
std::string words_of(const Release& release);

// What an operator asks for, as far as he says it: "" and nullopt are not said.
struct Named {
  std::string path;
  std::optional<std::vector<std::string>> args;
  bool allow_downgrade = false;
  bool ignore_memory = false;
  bool one_way = false;
};

class ServiceReleases {
 public:
  // host and config outlive this object; config is what holds at any time.
  ServiceReleases(const ServiceHost& host, const ServiceConfig& config, ReleasePtr release);

  const Release& running() const { return *running_; }
  const Release* back() const { return back_.get(); }  // null if there is none
  const ReleasePtr& of(const Spawn& spawn) const { return spawn.candidate ? candidate_ : running_; }
  // What is to be kept of them, with what the machine knows.
  Keeper::Choice chosen(const Service& machine) const;
  // Nothing of it has run, since its command can't be opened.
  bool never_opened() const { return running_->digest.empty(); }
  // A file is being opened for it.
  bool opening() const { return opening_ > 0; }
  // The configuration was read again.
  void reconfigured();

  // What is not said is as it is, or as a reload has said since.
  Wanted wanted(Named named) const;
  // What runs, or would, is what the configuration names: by path and arguments, whatever lies
  // there by now.
  bool is_configured(const ServiceConfig& config) const;
  // Into the log, if what runs is not that.
  void tell_if_chosen() const;
  // What the configuration names, if that is what counts when the service is started from nothing:
  // unless somebody has chosen another file. nullopt: what ran is started as it was.
  std::optional<Wanted> named() const;
  // Why the release that a request would start again must not be; "" if it may be.
  std::string forbidden(Probation::Origin to) const;

  // Makes it the candidate; opened gets CandidateReady or CandidateFailed, unless it is given up.
  // cold: nothing of the service runs.
  void open(const Wanted& wanted, bool cold, std::function<void(Event)> opened);
  void give_up() { ++token_; }
  // Makes the one to go back to the candidate.
  Event open_back();
  // Nobody has touched what is to be spawned since it was opened.
  bool ready(const Spawn& spawn) const { return of(spawn)->file.valid() && of(spawn)->untouched(); }
  // What could not be opened yet, or is not ready, is tried again; opened: with the error, if there
  // is one. wanted says whether it is still to be started.
  void open_to_spawn(const Spawn& spawn, std::function<bool()> wanted,
                     std::function<void(std::optional<SpawnFailed>)> opened);

  // The candidate is the service's release from now on.
  void take(Probation::Back back);
  // What runs may have turned out to be another release than was started.
  void runs(const Process* owner);
  // The one to go back to is, and nothing is behind it.
  void take_back();
  void drop_candidate() { candidate_.reset(); }
  // The one that did not pass, once: until that is told.
  ReleasePtr did_not_pass() { return std::exchange(did_not_pass_, nullptr); }

  // What the supervisor before this one knew. Nothing is open yet.
  void restore(const SavedService& saved);
  // Opens what is known, on threads. runs: by which process; those are opened, too. done: one of
  // them is open, or can't be started again. A release to go back to that can't is none: back_lost.
  void reopen(std::map<ReleasePtr, pid_t> runs, const std::function<void(bool back_lost)>& done);
  bool reopening() const { return reopening_.under_way(); }
  // A process was found that runs this one.
  void found(const ReleasePtr& release, bool candidate);
  void save(SavedService& saved, bool has_back) const;

  // Whether the file of a release is another by now; nullopt: known is told later, or never.
  std::optional<bool> drift(const Release& release, std::function<void(bool)> known);

 private:
  Event candidate_opened(Result<ReleasePtr> opened, bool cold, bool allow_downgrade);
  std::string downgrade(const Release& candidate, bool cold) const;
  void chosen_now();
  // The configuration names another command than when running_ was chosen.
  bool command_changed() const { return command_ != config_.command; }
  std::string folder() const;
  Reopen reopen_of(SavedRelease saved, ReleasePtr open) const;
  Failure not_what_ran(const Error& error) const;
  std::vector<Behind> known_behind() const;
  void open_missing(const Spawn& spawn, const std::function<void(Result<ReleasePtr>)>& done);
  void unpack_again(const ReleasePtr& ran, const Error& why,
                    const std::function<void(Result<ReleasePtr>)>& done);

  const ServiceHost& host_;
  const ServiceConfig& config_;
  // Of the configuration, when running_ was chosen.
  std::vector<std::string> command_;
  std::string program_;  // where $PATH led to for it, which may be elsewhere by now
  ReleasePtr running_;
  ReleasePtr candidate_;
  ReleasePtr back_;
  ReleasePtr did_not_pass_;
  std::uint64_t token_ = 0;  // of the request that a file is opened for
  int opening_ = 0;
  Reopening reopening_;
  Drift drift_;
};

}  // namespace handoff::supervisor
