// One service: the shell around core::Service. Turns what happens to processes and sockets into
// events, and the machine's effects into calls of the objects that it is made of: its processes,
// its releases, and what is told to whom. It decides nothing.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/core/elsewhere.h"
#include "supervisor/core/service.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/listeners/listener_ends.h"
#include "supervisor/listeners/listeners.h"
#include "supervisor/operators/control_server.h"
#include "supervisor/service/answers.h"
#include "supervisor/service/children.h"
#include "supervisor/service/keeper.h"
#include "supervisor/service/orders.h"
#include "supervisor/service/process_table.h"
#include "supervisor/service/service_host.h"
#include "supervisor/service/service_releases.h"
#include "supervisor/service/telling.h"
#include "supervisor/service/trial_watch.h"

namespace handoff::supervisor {

class ServiceRunner {
 public:
  ServiceRunner(ServiceHost host, ServiceConfig config, Listeners listeners, ReleasePtr release);
  ServiceRunner(const ServiceRunner&) = delete;
  ServiceRunner& operator=(const ServiceRunner&) = delete;

  const std::string& name() const { return config_.name; }
  const Timeouts& timeouts() const { return config_.timeouts; }
  const ServiceConfig& config() const { return config_; }
  // Nothing of it has run, since its command can't be opened.
  bool never_opened() const { return releases_.never_opened(); }
  // The configuration was read again; config is what change_config() made of the two. Says which
  // listeners are not as it has them.
  std::vector<Listeners::Mended> reconfigure(ServiceConfig config);
  // Makes paths of its Unix listeners again; says in the log what was done.
  std::vector<Listeners::Mended> mend_paths();
  // Nothing of it is left, and it is not to come back.
  void close_listeners() { (void)listeners_.want({}); }
  // And not even what was chosen for it is to be known any more.
  void forget() { keeper_.forget(); }
  Service::State state() const { return machine_.state(); }
  const char* state_name() const { return machine_.state_name(); }
  // Nothing of it is under way: a successor of the supervisor can take it as it is.
  bool settled() const { return machine_.settled() && !busy(); }
  // Why a successor could not; "" if it can. It would not know of a listener that ends.
  std::string in_motion() const;
  std::map<std::string, int> listener_fds() const;
  bool idle() const { return machine_.idle() && processes_.empty() && !busy(); }

  void start() { feed(StartRequested{}); }
  // Instead: goes on where the supervisor before this one was. living are those of its processes
  // that still run.
  // requested: by the history, a handoff was asked for, and nothing tells how it ended.
  void resume(SavedService saved, std::vector<std::unique_ptr<Process>> living, bool requested);
  // What the supervisor before this one did not get into the history.
  void record_again(nlohmann::json what) { telling_.record_again(std::move(what)); }
  bool takes_orphan(Generation generation) const {
    return machine_.takes_orphans() && processes_.find(generation) == nullptr;
  }
  // A process that nobody knew of was found or came back, and the service takes it.
  void take_orphan(std::unique_ptr<Process> process);
  // A process has come back; takes fd if it is one of this service's.
  bool returned(pid_t pid, UniqueFd& fd) { return processes_.returned(pid, fd); }
  SavedService saved() const;
  // The supervisor ends: what was chosen is on the disk afterwards.
  void keep_choice() { keeper_.flush(); }
  void upgrade(Named named, const Timeouts& timeouts, const ClientPtr& client,
               std::vector<std::uint32_t> shares = {}, Duration pause = {});
  // To what the configuration names, unless that runs.
  void upgrade_to_configured(const Named& named, const Timeouts& timeouts, const ClientPtr& client);
  void restart(bool ignore_memory, const Timeouts& timeouts, const ClientPtr& client);
  void rollback(bool ignore_memory, const Timeouts& timeouts, const ClientPtr& client);
  void commit(const ClientPtr& client);
  // to_stay: until somebody starts it; else the supervisor ends.
  void stop(bool at_once, bool to_stay, const ClientPtr& client);
  // What an upgrade would do: tried on the service that runs.
  void plan(Named named, const Timeouts& timeouts, const ClientPtr& client);
  // Nobody waits for the plan any more.
  void drop_plan(const ClientPtr& client);

  // A child ended. false: it is none of this service's.
  bool ended(pid_t pid, const Exit& exit);

  // All but the sessions.
  nlohmann::json status();
  // What runs, or would, is what a configuration names.
  bool is_configured(const ServiceConfig& config) const { return releases_.is_configured(config); }
  // Of what runs, or would; nullopt: known is told later, or never.
  std::optional<bool> drift(std::function<void(bool)> known);
  const Release& present() const;  // the one that runs, or ran
  // The file that the release came in.
  const std::string& source() const { return releases_.running().source; }
  // All files of the release, source() first.
  std::vector<std::string> files() const;
  // As Children::tell().
  void tell_children(std::function<void(nlohmann::json)> told) { children_.tell(std::move(told)); }
  // As Children::knocked().
  void knocked(int pid, const std::vector<ProcessSeen>& all) { children_.knocked(pid, all); }
  // Asks the process that runs; counted may never be called.
  bool count_sessions(std::function<void(std::uint64_t)> counted);

 private:
  bool busy() const { return releases_.opening() || recording_ > 0 || waiting_ > 0; }
  void feed(Event event);
  void deadline_passed();
  void heard(Generation generation, Heard heard);
  void request(HandoffRequested request, const std::string& path);
  bool lacks_memory(const HandoffRequested& request);
  const Release* goes_back_to() const;  // a new one would; null if there is none
  void look_after_trial();
  void look_after_choice();
  void look_after_listeners();
  void find_listeners(const std::vector<SavedListener>& saved);
  std::map<Generation, VaultLeft> find_vaults(const SavedService& saved,
                                              const std::vector<std::unique_ptr<Process>>& living);
  void tell_elsewhere();
  void count_donors_sessions();
  void take_turn(const Spawn& spawn);
  void look_up_owners(const Spawn& spawn, StartQueue::Place place);
  void in_turn(const Spawn& spawn, StartQueue::Place place);
  void spawn(const Spawn& spawn, ReleasePtr release, StartQueue::Place place);
  void not_started(Generation generation, const Error& error);
  void look_at_owner() {
    if (machine_.state() == Service::State::kRunning) releases_.runs(processes_.owner());
  }

  // What is sent to a process, what is told to somebody, and the rest.
  template <typename Order>
  requires requires(Orders& orders, const Order& order) { orders.carry_out(order); }
  void apply(const Order& order) { orders_.carry_out(order); }
  template <typename Said>
  requires requires(Answers& answers, const Said& said) { answers.tell(said); }
  void apply(const Said& said) { answers_.tell(said); }
  void apply(const Spawn& spawn);
  void apply(const EndChildren& end) { children_.carry_out(end); }
  void apply(const LookForChildren& look) { children_.carry_out(look); }
  void apply(const DropVault& drop) { processes_.drop_vault(drop.generation); }
  void apply(const OpenCandidate& open);
  void apply(const OpenBack& open);
  void apply(const TakeCandidate& take) {
    releases_.take(take.back);
    look_at_owner();
  }
  void apply(const TakeBack&) { releases_.take_back(); }
  void apply(const DropCandidate&) { releases_.drop_candidate(); }

  ServiceHost host_;
  ServiceConfig config_;
  Listeners listeners_;
  Service machine_;
  ServiceReleases releases_;
  ListenerEnds ends_;
  ProcessTable processes_;
  Children children_;
  Orders orders_;
  Keeper keeper_;
  bool chosen_ = false;  // something of it has run, or somebody has stopped it
  Telling telling_;
  Answers answers_;
  std::deque<Event> events_;
  bool stepping_ = false;
  std::optional<std::uint64_t> counted_;  // sessions, as the machine was told last
  int waiting_ = 0;                       // for their turns to start
  int recording_ = 0;  // requests that go into the history before they are carried out
  std::string last_state_;
  std::vector<Elsewhere> elsewhere_;  // as told last
  TrialWatch trial_;
  Timer timer_;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for what is called back later
  std::optional<Time> looked_for_;  // the deadline for whose sake we have looked around
  int looks_ = 0;                   // and how often
};

}  // namespace handoff::supervisor
