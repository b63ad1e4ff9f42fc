// One service: the shell around core::Service. Turns what happens to processes and sockets into
// events, and the machine's effects into calls. It decides nothing.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "config.h"
#include "core/service.h"
#include "io/control_server.h"
#include "io/listeners.h"
#include "io/service_process.h"
#include "messages.h"
#include "saved_state.h"

namespace handoff::supervisor {

// What a service needs of the supervisor that it is in.
struct ServiceHost {
  uv_loop_t* loop = nullptr;
  std::string report_path;                             // where processes return to
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
  void resume(const SavedService& saved, std::vector<std::unique_ptr<Process>> living,
              bool requested);
  // A process has come back; takes fd if it is one of this service's.
  bool returned(pid_t pid, UniqueFd& fd);
  SavedService saved() const;
  // To the file at that path; args: nullopt keeps those of the release that runs. path "" likewise.
  void upgrade(const std::string& path, std::optional<std::vector<std::string>> args,
               const Timeouts& timeouts, const ClientPtr& client,
               std::vector<std::uint32_t> shares = {}, Duration pause = {});
  void restart(const Timeouts& timeouts, const ClientPtr& client);
  void stop(bool at_once, const ClientPtr& client);

  // A child ended. false: it is none of this service's.
  bool ended(pid_t pid, const Exit& exit);

  // All but the sessions.
  nlohmann::json status() const;
  // Asks the process that runs; counted may never be called.
  bool count_sessions(std::function<void(std::uint64_t)> counted);

 private:
  void feed(Event event);
  void deadline_passed();

  void apply(const Spawn& spawn);
  void apply(const SendDonate& donate);
  void apply(const SendStop& stop);
  void apply(const SendCancel& cancel);
  void apply(const Signal& signal);
  void apply(const OpenCandidate&);
  void apply(const TakeCandidate&);
  void apply(const DropCandidate&);
  void apply(const Announce& announce);
  void apply(const Conclude& conclude);
  void apply(const Refuse& refuse);
  void apply(const ReportStopped&);
  void apply(const Note& note);
  void apply(const SendDrain& drain);
  void apply(const SendRelink& relink);
  void apply(const SendSpread& spread);
  void remember(nlohmann::json answer);

  Result<void> launch(const Spawn& spawn, Process& process);
  std::unique_ptr<ServiceChannel> open_channel(UniqueFd fd, Generation generation);
  bool send_start(const Spawn& spawn, Process& process);
  void heard(Generation generation, Heard heard);
  void hear_all();
  void exec_known(Generation generation);
  void request(const HandoffRequested& request, const ClientPtr& client);
  Party party(Generation generation) const;
  nlohmann::json late_json() const;
  static Party party_of(const SavedService& saved, Generation generation);
  Process* find(Generation generation);
  const Process* current() const;
  void tell(const nlohmann::json& event, bool last);

  ServiceHost host_;
  ServiceConfig config_;
  Listeners listeners_;
  Service machine_;
  ReleasePtr release_;
  ReleasePtr candidate_;
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
  Time asked_at_{};
  int asked_by_ = -1;  // uid
  nlohmann::json last_upgrade_ = nullptr;
  std::string wanted_path_;  // of the request that is being stepped, too
  std::vector<std::string> wanted_args_;
  std::uint64_t open_token_ = 0;
  int opening_ = 0;

  std::uint64_t query_ = 0;
  std::map<std::uint64_t, std::function<void(std::uint64_t)>> queries_;
  std::string last_state_;
  Timer timer_;
  std::optional<Time> looked_for_;  // the deadline for whose sake we have looked around
};

}  // namespace handoff::supervisor
