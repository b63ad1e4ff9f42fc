// One service: the shell around core::Service. Turns what happens to processes and sockets into
// events, and the machine's effects into calls. It decides nothing.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/core/plan.h"
#include "supervisor/core/service.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/listeners/listeners.h"
#include "supervisor/operators/control_server.h"
#include "supervisor/operators/messages.h"
#include "supervisor/processes/health.h"
#include "supervisor/processes/service_process.h"
#include "supervisor/releases/drift.h"
#include "supervisor/releases/release_source.h"

namespace handoff::supervisor {

// What a service needs of the supervisor that it is in.
struct ServiceHost {
  uv_loop_t* loop = nullptr;
  std::string report_path;                             // where processes return to
  std::string state;                                   // the state folder
  std::function<void()> changed;                       // something is to be seen, or saved
  std::function<Result<void>()> save;                  // now: a process is about to run
  std::function<Result<void>(nlohmann::json)> record;  // in the history
};

class ServiceRunner {
 public:
  static constexpr std::size_t kMaxQueries = 64;

  ServiceRunner(ServiceHost host, ServiceConfig config, Listeners listeners, ReleasePtr release);

  const std::string& name() const { return config_.name; }
  const Timeouts& timeouts() const { return config_.timeouts; }
  const ServiceConfig& config() const { return config_; }
  // Nothing of it has run, since its command can't be opened.
  bool never_opened() const { return release_->digest.empty(); }
  // The configuration was read again; config is what change_config() made of the two.
  void reconfigure(ServiceConfig config);
  // Nothing of it is left, and it is not to come back.
  void close_listeners() { listeners_.want({}); }
  Service::State state() const { return machine_.state(); }
  const char* state_name() const { return machine_.state_name(); }
  // Nothing of it is under way: a successor of the supervisor can take it as it is.
  bool settled() const { return machine_.settled() && opening_ == 0; }
  std::map<std::string, int> listener_fds() const;
  bool idle() const { return machine_.idle() && processes_.empty() && opening_ == 0; }

  void start() { feed(StartRequested{}); }
  // Instead: goes on where the supervisor before this one was. living are those of its processes
  // that still run.
  // requested: by the history, a handoff was asked for, and nothing tells how it ended.
  void resume(SavedService saved, std::vector<std::unique_ptr<Process>> living, bool requested);
  // A process has come back; takes fd if it is one of this service's.
  bool returned(pid_t pid, UniqueFd& fd);
  SavedService saved() const;
  // To the file at that path; args: nullopt keeps those of the release that runs. path "" likewise.
  void upgrade(const std::string& path, std::optional<std::vector<std::string>> args,
               const Timeouts& timeouts, const ClientPtr& client,
               std::vector<std::uint32_t> shares = {}, Duration pause = {});
  void restart(const Timeouts& timeouts, const ClientPtr& client);
  void rollback(const Timeouts& timeouts, const ClientPtr& client);
  void commit(const ClientPtr& client);
  void stop(bool at_once, const ClientPtr& client);
  // What an upgrade would do: tried on the service that runs (service/service_plan.cc).
  void plan(const std::string& path, std::optional<std::vector<std::string>> args,
            const Timeouts& timeouts, const ClientPtr& client);
  // Who asked for the plan does not wait for it any more.
  void drop_plan(const ClientPtr& client);

  // A child ended. false: it is none of this service's.
  bool ended(pid_t pid, const Exit& exit);

  // All but the sessions.
  nlohmann::json status() const;
  // Of what runs, or would; nullopt: known is told later, or never.
  std::optional<bool> drift(std::function<void(bool)> known);
  // The file that the release came in.
  const std::string& source() const { return release_->source; }
  // Asks the process that runs; counted may never be called.
  bool count_sessions(std::function<void(std::uint64_t)> counted);

 private:
  void feed(Event event);
  void ask(Event event, const ClientPtr& client);
  void deadline_passed();

  void apply(const Spawn& spawn);
  void apply(const SendDonate& donate);
  void apply(const SendStop& stop);
  void apply(const SendCancel& cancel);
  void apply(const Signal& signal);
  // service_releases.cc
  void apply(const OpenCandidate&);
  void apply(const OpenBack&);
  void apply(const TakeCandidate& take);
  void apply(const TakeBack&);
  void apply(const DropCandidate&);
  void apply(const Committed& committed);
  void apply(const ProbationFailed& failed);
  void apply(const WentBack& back);
  void release_known(Result<ReleasePtr> opened);
  void open_to_spawn(const Spawn& spawn);
  static SpawnFailed not_opened(Generation generation, const Error& error);
  void look_after_trial();
  void take_census();
  void take_up_releases(SavedService& saved);
  nlohmann::json standing() const;

  void apply(const Announce& announce);
  void apply(const Conclude& conclude);
  void apply(const Refuse& refuse);
  void apply(const ReportStopped&);
  void apply(const Note& note);
  void apply(const SendDrain& drain);
  void apply(const SendRelink& relink);
  void apply(const SendSpread& spread);
  void remember(nlohmann::json answer);
  void record(nlohmann::json what);

  void weigh_before_plan();
  std::optional<PastBlackout> last_blackout() const;
  void take_findings(Generation generation, protocol::Rehearsed findings);
  void conclude_plan(const Report& report);
  Result<void> record_plan(const nlohmann::json& answer);

  void start_process(const Spawn& spawn);
  Result<void> launch(const Spawn& spawn, Process& process);
  std::unique_ptr<ServiceChannel> open_channel(UniqueFd fd, Generation generation);
  bool send_start(const Spawn& spawn, Process& process);
  void heard(Generation generation, Heard heard);
  void hear_all();
  void exec_known(Generation generation);
  // service_config.cc
  void want(const std::string& path, std::optional<std::vector<std::string>> args);
  ReleaseSource wanted() const;
  std::string releases_dir() const;
  static const char* failure_code(const Error& error);
  // Why that one, which was opened before, is not to be started again; "" if it may be.
  std::string unverified(const Release& release) const;
  static Service::Policy policy_of(const ServiceConfig& config);
  void request(const HandoffRequested& request, const ClientPtr& client);
  Party party(Generation generation) const;
  nlohmann::json late_json() const;
  nlohmann::json leaving_json() const;
  static Party party_of(const SavedService& saved, Generation generation);
  Process* find(Generation generation);
  const Process* current() const;
  void tell(const nlohmann::json& event, bool last);

  ServiceHost host_;
  ServiceConfig config_;
  std::vector<std::string> release_command_;  // what config_.command was when release_ was chosen
  Listeners listeners_;
  Service machine_;
  ReleasePtr release_;
  ReleasePtr candidate_;
  ReleasePtr back_;          // to go back to; null if there is none
  ReleasePtr did_not_pass_;  // until that is told
  std::map<Generation, std::unique_ptr<Process>> processes_;
  std::deque<Event> events_;
  bool stepping_ = false;
  std::vector<std::pair<pid_t, Exit>> ended_later_;  // before the owner, which has ended, too

  const ClientPtr* asking_ = nullptr;  // of the request that is being stepped
  ClientPtr follower_;                 // of the upgrade under way
  std::vector<ClientPtr> stop_waiters_;
  Party from_;
  Party to_;
  ReleasePtr to_release_;
  std::string command_;     // of the request under way: upgrade, restart, rollback
  bool by_itself_ = false;  // nobody has asked for it
  Time asked_at_{};
  int asked_by_ = -1;  // uid
  nlohmann::json last_upgrade_ = nullptr;
  std::optional<PlanFacts> plan_;         // of the rehearsal under way
  std::optional<PlanFacts> wanted_plan_;  // what is being stepped is the request for one
  std::string wanted_path_;               // of the request that is being stepped, too
  std::vector<std::string> wanted_args_;
  bool wanted_args_given_ = false;
  std::uint64_t open_token_ = 0;
  int opening_ = 0;

  std::uint64_t query_ = 0;
  std::map<std::uint64_t, std::function<void(std::uint64_t)>> queries_;
  std::string last_state_;
  Drift drift_;
  HealthWatch health_;
  Timer census_;             // of who is on trial...
  Generation counting_ = 0;  // ...and who that is
  Timer timer_;
  std::optional<Time> looked_for_;  // the deadline for whose sake we have looked around
};

}  // namespace handoff::supervisor
