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
#include "io/listener.h"
#include "io/process.h"
#include "messages.h"

namespace handoff::supervisor {

class ServiceRunner {
 public:
  static constexpr std::size_t kMaxQueries = 64;

  ServiceRunner(uv_loop_t* loop, ServiceConfig config, std::vector<Listener> listeners,
                ReleasePtr release, std::function<void()> changed);

  const std::string& name() const { return config_.name; }
  const Timeouts& timeouts() const { return config_.timeouts; }
  Service::State state() const { return machine_.state(); }
  const char* state_name() const { return machine_.state_name(); }
  bool idle() const { return machine_.idle() && processes_.empty() && opening_ == 0; }

  void start() { feed(StartRequested{}); }
  // To the file at that path; args: nullopt keeps those of the release that runs. path "" likewise.
  void upgrade(const std::string& path, std::optional<std::vector<std::string>> args,
               const Timeouts& timeouts, const ClientPtr& client);
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

  Result<void> launch(const Spawn& spawn, Process& process);
  bool send_start(const Spawn& spawn, Process& process);
  void heard(Generation generation, Heard heard);
  void hear_all();
  void exec_known(Generation generation);
  void request(const HandoffRequested& request, const ClientPtr& client);
  Party party(Generation generation) const;
  Process* find(Generation generation);
  const Process* current() const;
  void tell(const nlohmann::json& event, bool last);

  uv_loop_t* loop_;
  ServiceConfig config_;
  std::vector<Listener> listeners_;
  std::function<void()> changed_;
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
  std::string wanted_path_;  // of the request that is being stepped, too
  std::vector<std::string> wanted_args_;
  std::uint64_t open_token_ = 0;
  int opening_ = 0;

  std::uint64_t query_ = 0;
  std::map<std::uint64_t, std::function<void(std::uint64_t)>> queries_;
  std::string last_state_;
  Timer timer_;
};

}  // namespace handoff::supervisor
