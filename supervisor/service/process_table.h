// The processes of one service: started here or found, spoken with on their control sockets, and
// seen to end. What they say and how they end goes to the service, in its order; nothing is decided
// here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/core/effects.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/listeners/listener_ends.h"
#include "supervisor/listeners/listeners.h"
#include "supervisor/operators/messages.h"
#include "supervisor/processes/service_process.h"
#include "supervisor/service/limited_log.h"
#include "supervisor/service/service_host.h"

namespace handoff::supervisor {

class ProcessTable {
 public:
  static constexpr std::size_t kMaxQueries = 64;

  struct Callbacks {
    std::function<void(Event)> happened;
    std::function<void(Generation, Heard)> heard;
    std::function<Generation()> owner;  // who owns the sockets now; 0: nobody
    std::function<void(Generation, const Error&)> not_started;  // after all
    std::function<void(const Process&)> ended;  // before what follows from that happens
    // The release that a new one would go back to; null if there is none.
    std::function<const Release*()> goes_back_to;
  };
  // host, config, listeners and ends outlive this object; config is what holds at any time.
  ProcessTable(const ServiceHost& host, const ServiceConfig& config, Listeners& listeners,
               ListenerEnds& ends, Callbacks callbacks);

  const std::map<Generation, std::unique_ptr<Process>>& all() const { return processes_; }
  bool empty() const { return processes_.empty(); }
  // One of them has exited, and the loop did not come to it yet.
  bool has_untold_end() const;
  // null if there is none, or it has ended.
  Process* find(Generation generation);
  const Process* find(Generation generation) const;
  const Process* owner() const { return find(callbacks_.owner()); }
  // The donor of the last handoff that was no rehearsal; 0: there was none.
  Generation donor_before() const { return donor_before_; }
  // The heir of the last handoff to the release before, likewise.
  Generation went_back() const { return went_back_; }
  // For people and for the history; generation 0 if there is none.
  Party party(Generation generation) const;

  // An heir's donor is the owner. After an error it may be here all the same, and ends.
  Result<void> start(const Spawn& spawn, ReleasePtr release, StartQueue::Place place);
  // One of the supervisor before this one.
  void adopt(std::unique_ptr<Process> process);
  // A process has come back; takes fd if it is one of these.
  bool returned(pid_t pid, UniqueFd& fd);
  // A child ended. false: it is none of these.
  bool ended(pid_t pid, const Exit& exit);
  void save(SavedService& saved) const;

  // ---- vaults of those that have ended
  // What the supervisor before this one knew of them.
  void restore_vaults(const std::vector<SavedVault>& saved);
  // Of a process that had ended before it could be adopted. Keeps it, if it is of use.
  std::optional<VaultLeft> find_vault(const SavedProcess& ended);
  // Where nobody lives who could show them.
  void take_listeners_of_ended();
  void drop_vault(Generation generation);
  bool has_vault(Generation generation) const { return vaults_.contains(generation); }
  // Keepers of vaults: no children that a process has left.
  std::vector<pid_t> keepers() const;

  // Asks a process for the number of its sessions; counted may never be called.
  bool count_sessions(Generation generation, std::function<void(std::uint64_t)> counted);
  // Or for the processes that they need.
  using Answered = std::function<void(const SessionsCounted&)>;
  bool ask_for_processes(Generation generation, Answered answered);

 private:
  void let_run(Generation generation, bool heir, Result<void> saved);
  Result<void> launch(const Spawn& spawn, Process& process);
  UniqueFd make_cgroup(Process& process) const;
  Result<void> bind_for(const Spawn& spawn, const Process& process);
  bool send_start(const Spawn& spawn, Process& process, int mailbox);
  // process_vaults.cc
  UniqueFd give_vault(const Spawn& spawn, Process& process) const;
  Result<void> prepare_reader(const Spawn& spawn, Process& process);
  std::optional<VaultLeft> take_vault(Generation generation, Vault vault);
  bool keeper_ended(pid_t pid);
  std::unique_ptr<ServiceChannel> open_channel(UniqueFd fd, Generation generation);
  void heard(Generation generation, Heard heard);
  void take(Process& process, Heard what);
  std::string one_way_to(const Process& heir, const ReleaseNamed& said) const;
  bool look_at(const Process& process);
  void let_in(Generation generation);
  void hear_all();
  void exec_known(Generation generation);
  void call(Process& process, Duration in);
  bool ask(Generation generation, bool processes, Answered answered);
  const std::string& name() const { return config_.name; }

  const ServiceHost& host_;
  const ServiceConfig& config_;
  Listeners& listeners_;
  ListenerEnds& ends_;
  Generation donor_before_ = 0;
  Generation went_back_ = 0;
  Callbacks callbacks_;
  std::map<Generation, std::unique_ptr<Process>> processes_;
  std::map<Generation, Vault> vaults_;
  std::vector<std::pair<pid_t, Exit>> ended_later_;  // before the owner, which has ended, too
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for what is called back later
  LimitedLog comings_;  // a process may come back, or register, as often as it likes
  std::uint64_t query_ = 0;
  std::map<std::uint64_t, Answered> queries_;
};

}  // namespace handoff::supervisor
