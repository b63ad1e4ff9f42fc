// The life of one service: started, running, handed over, stopped, or waiting to be started again
// after it died. Three things are kept apart: the process that owns the sockets (core/owner), the
// operation under way (core/operation), and whether the release that runs has proved itself
// (core/probation). This machine hears every event and says what follows from one for the others.
//
// A release that took over is provisional for a while. If it does not pass, the service goes back
// by itself: by a handoff, else, if the process is dead or can't hand over, by ending it and
// starting the release before on the listeners (service_return.cc).
//
// A process that had a vault leaves its sessions there when it dies. The service goes on from that
// with the release that died, by a handoff whose donor reads the vault (service_recovery.cc).
#pragma once

#include <optional>

#include "supervisor/core/effects.h"
#include "supervisor/core/operation.h"
#include "supervisor/core/other_processes.h"
#include "supervisor/core/owner.h"
#include "supervisor/core/probation.h"

namespace handoff::supervisor {

class Service {
 public:
  using State = Owner::State;

  struct Policy {
    std::string name;
    bool restart = true;  // after it died unasked
    Timeouts timeouts;
    Probation::Policy probation;
    LateProcesses::Policy late;
    ChildrenPolicy children = ChildrenPolicy::kLeave;
    Vaults::Policy vault = {};  // of what a process leaves that has one
  };

  // A release that is not well may hang: how long it may be silent on the way back.
  static constexpr Duration kPatienceWithTheIll = std::chrono::seconds(2);

  explicit Service(Policy policy) { set_policy(std::move(policy)); }

  Effects step(const Event& event, Time now);
  // From now on; a handoff under way keeps the deadlines that it was begun with.
  void set_policy(Policy policy) {
    policy_ = std::move(policy);
    owner_.set_children(policy_.children);
  }
  std::optional<Time> deadline() const;

  State state() const { return owner_.state(); }
  // For people: as above, and "upgrading" or "planning".
  const char* state_name() const;
  Generation current() const { return owner_.generation(); }
  bool upgrading() const { return operation_.handoff() != nullptr; }
  // No process is on its way in or out.
  bool settled() const;
  // What the next supervisor would need to know; the counterpart of its on(Found).
  Found found() const;
  // Why it does not run: what happened last, until it runs again. "" if there is no reason.
  const std::string& problem() const { return problem_; }
  // The process that runs will end on purpose: why. nullptr if it has not said so.
  const std::string* leaving() const {
    return leaves_ && owner_.is(leaves_->generation) ? &leaves_->why : nullptr;
  }
  std::optional<Time> next_start() const { return owner_.next_start(); }
  std::uint64_t restarts() const { return owner_.restarts(); }
  std::uint64_t recoveries() const { return recoveries_; }
  const Probation& probation() const { return probation_; }
  Rest rest() const { return rest_; }
  // The process whose health matters now; 0 if there is none.
  Generation on_trial() const;
  const LateProcesses& late() const { return others_.late(); }
  const Progressive& progressive() const { return others_.progressive(); }
  // A process of that generation is still wanted: it is not stopped, and not too late.
  bool awaits(Generation generation) const;
  // A process that nobody knew of can be taken for one of the service's: none runs, or what runs is
  // such a one itself.
  bool takes_orphans() const;
  // No process of it is alive, and none is about to be.
  bool idle() const {
    return state() == State::kStopped && owner_.nobody_alive() && operation_.opening() == nullptr;
  }

 private:
  // The way back without a handoff, told when it is there.
  struct Return {
    std::string why;
    Generation from = 0;
    std::uint64_t lost = 0;
  };

  // service_operation.cc
  void on(const HandoffRequested& request, Time now);
  void on(const RehearsalDropped&, Time now);
  void on(const CandidateReady&, Time now);
  void on(const CandidateFailed& failed, Time now);
  void begin(const Opening& asked, Candidate candidate, Time now);
  // backing_off: if it fails, what ran before is started soon.
  void begin_fresh(const Opening& asked, Candidate candidate, bool backing_off, Time now);
  void begin_cold(const Opening& asked, Time now);
  void start(bool candidate, Time now);
  // Passes the event to the handoff under way, if there is one, and follows what it says.
  void forward(const Event& event, Time now);
  void follow(Handoff& handoff, Upgrade::Step step, Time now);
  void over(const Handoff& handoff, Time now);
  void take(Candidate& candidate, const HandoffRequested& request, bool by_itself, Time now);
  void take(Handoff& handoff, Time now);
  void fresh_failed(Time now);
  std::optional<Refuse> refusal() const;
  // A process that has not come up has no sessions: what is asked for need not wait for it.
  bool gives_way(const HandoffRequested& request) const {
    return state() == State::kStarting && operation_.none() && !request.rehearsal;
  }
  void refuse(Refuse why, const HandoffRequested& request);
  void give_up(const Opening& opening, Refuse why);
  DeadDonor dead_donor(const Opening& opening) const;
  Refuse nothing_to_rehearse_with() const;

  // service_recovery.cc
  // The donor of a recovery that is under way.
  bool reads_vault(Generation generation) const {
    return operation_.recovery() && operation_.handoff()->upgrade.donor() == generation;
  }
  void take_vault(const Exited& exited);
  bool recoverable(Time now) const;
  bool recovers(Generation gone, const std::string& how, Time now);
  void begin_recovery(Time now);
  void end_reader(Generation reader);
  void recovered(const Handoff& handoff, Report report, Time now);
  void give_up_recovery();
  void stop_recovery();
  void resume_recovery(const Found& found, Time now);
  void drop_vaults();
  void on(const VaultLost& lost, Time) { vaults_.lost(lost.generation); }

  // service_identity.cc
  bool turns_away(const Registered& registered, Time now);
  std::string other_than(const ReleaseSeen& seen) const;

  // service_found.cc
  void on(const Found& found, Time now);
  void resume(const Found& found, Time now);
  void on(const OrphanFound& orphan, Time now);

  // service.cc
  void on(const StartRequested& start, Time now);
  void on(const StopRequested& stop, Time now);
  void on(const Registered& registered, Time now);
  void on(const Owned& owned, Time now);
  void on(const HandoffFailed& failed, Time now);
  void on(const Counted& counted, Time now);
  void on(const Progressed& progress, Time now);
  void on(const DonorRetired& retired, Time now);
  void on(const Rehearsed& rehearsed, Time now);
  void on(const SpawnFailed& failed, Time now);
  void on(const Exited& exited, Time now);
  void on(const Tick&, Time now);
  void on(const DonorLate& late, Time now);
  void on(const ChildrenEnded& ended, Time now) {
    add(owner_.children_ended(ended.generation, now));
  }
  void on(const ChildrenSeen& seen, Time now);
  void on(const ChildOpened& opened, Time now);
  void look_for_children(const Exited& exited, bool never_served);
  void came_up(Time now);
  void maybe_stopped();
  void relink(Time now);
  // The next share of a progressive upgrade waits for the end of a handoff, or of a plan.
  bool may_share() const { return state() == State::kRunning && !upgrading(); }
  bool in_peace() const { return state() == State::kRunning && operation_.none(); }
  void note(Note::Level level, std::string text);
  void add(Effects effects);

  // service_ended.cc
  void owner_ended(const std::string& code, const std::string& how, Time now);
  void nobody_serves(Generation gone, const std::string& how, Time now);
  void restart(const std::string& how, Time now);
  void left(Generation gone, const std::string& how);
  void wait(const std::string& what, Time now);
  void on(const Leaves& leaves, Time now);

  // service_return.cc
  bool refuses_one_way(const Registered& registered, Time now);
  void on(const CommitRequested& request, Time now);
  void on(const Reopened& reopened, Time) {
    if (reopened.back_lost) probation_.lose_back();
  }
  void on(const HealthHeard& heard, Time now);
  void on(const Asked& asked, Time now);
  void judge(Time now);
  void end_to_go_back(const Report& report, Time now);
  void go_back_without_handoff(Generation gone, const std::string& how, Time now);

  Policy policy_;
  Owner owner_;
  Operation operation_;
  Probation probation_;
  OtherProcesses others_;
  std::optional<Return> return_;
  Vaults vaults_;
  std::optional<Recovery> recovery_;  // from a death on, until another process owns
  std::uint64_t recoveries_ = 0;
  Rest rest_ = Rest::kNo;
  std::optional<Leaves> leaves_;
  // Why it has left by itself, as problem_ says. "" if it has not, or somebody has started or
  // stopped it since.
  std::string left_;
  std::string problem_;
  DeadDonor died_last_;   // whoever ran
  bool guessed_ = false;  // who owns is not known from the supervisor before: the processes tell
  Effects out_;
};

}  // namespace handoff::supervisor
