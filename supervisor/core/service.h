// The life of one service: started, running, handed over, stopped, or waiting to be started again
// after it died. The outer machine; Upgrade is the inner one, for as long as a handoff is under
// way.
//
//   Stopped   --start--> Starting --Owner--> Running --died--> Backoff --wait over--> Starting
//   Running   --upgrade--> (an Upgrade beside it; Running all the while)
//   any       --stop--> Stopping --all processes gone--> Stopped
//   Stopped   --found--> Adopting --Owner--> Running: a process of the supervisor before this one
//
// A release that took over is provisional for a while (core/probation). If it does not pass, the
// service goes back by itself: by a handoff, else, if the process is dead or can't hand over, by
// ending it and starting the release before on the listeners (service_return.cc).
//
// A process that is being adopted is waited for without a deadline: that it has not reported back
// is no reason to end it.
#pragma once

#include <optional>
#include <set>

#include "supervisor/core/backoff.h"
#include "supervisor/core/effects.h"
#include "supervisor/core/late.h"
#include "supervisor/core/probation.h"
#include "supervisor/core/progressive.h"
#include "supervisor/core/upgrade.h"

namespace handoff::supervisor {

class Service {
 public:
  enum class State { kStopped, kStarting, kAdopting, kRunning, kStopping, kBackoff };

  struct Policy {
    std::string name;
    bool restart = true;  // after it died unasked
    Timeouts timeouts;
    Probation::Policy probation;
    LateProcesses::Policy late;
  };

  static constexpr Duration kTermToKill = std::chrono::seconds(2);
  // A release that is not well may hang: how long it may be silent on the way back.
  static constexpr Duration kPatienceWithTheIll = std::chrono::seconds(2);

  explicit Service(Policy policy) : policy_(std::move(policy)) {}

  Effects step(const Event& event, Time now);
  // From now on; a handoff under way keeps the deadlines that it was begun with.
  void set_policy(Policy policy) { policy_ = std::move(policy); }
  std::optional<Time> deadline() const;

  State state() const { return state_; }
  // For people: as above, and "upgrading" or "planning".
  const char* state_name() const;
  Generation current() const { return current_; }
  bool upgrading() const { return upgrade_.has_value(); }
  // No process is on its way in or out.
  bool settled() const {
    return !upgrade_ && !opening_ && !fresh_ && !replacing_ &&
           (state_ == State::kStopped || state_ == State::kRunning || state_ == State::kBackoff);
  }
  // What the next supervisor would need to know; the counterpart of its on(Found).
  Found found() const;
  std::uint64_t restarts() const { return restarts_; }
  const Probation& probation() const { return probation_; }
  // The process whose health matters now; 0 if there is none.
  Generation on_trial() const;
  const LateProcesses& late() const { return late_; }
  const Progressive& progressive() const { return progressive_; }
  // A process of that generation is still wanted: it is not stopped, and not too late.
  bool awaits(Generation generation) const {
    return (state_ == State::kStarting && current_ == generation && !timed_out_) ||
           (upgrade_ && upgrade_->heir() == generation);
  }
  // No process of it is alive, and none is about to be.
  bool idle() const { return state_ == State::kStopped && alive_.empty() && !opening_; }

 private:
  // An upgrade or a restart while nothing runs: a fresh start that somebody waits for.
  struct Fresh {
    bool candidate = false;
    State before = State::kStopped;
    Time begun;
    Duration start{};
    std::string why;  // it failed
    std::string code;
  };
  // The way back without a handoff, told when it is there.
  struct Return {
    std::string why;
    Generation from = 0;
    std::uint64_t lost = 0;
  };

  void on(const StartRequested&, Time now);
  void on(const Found& found, Time now);
  void on(const HandoffRequested& request, Time now);
  void on(const RehearsalDropped&, Time now);
  void on(const CandidateReady&, Time now);
  void on(const CandidateFailed& failed, Time now);
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
  void on(const CommitRequested&, Time now);
  void on(const HealthHeard& heard, Time now);
  void on(const Tick&, Time now);
  void on(const DonorLate& late, Time now);

  // service_return.cc
  void judge(Time now);
  void go_back(Time now);
  void end_to_go_back(const Report& report, Time now);
  void go_back_without_handoff(Generation gone, const std::string& how, Time now);
  bool in_peace() const {
    return state_ == State::kRunning && !upgrade_ && !opening_ && !fresh_ && !replacing_;
  }

  // Passes the event to the handoff under way, if there is one, and follows what it says.
  void forward(const Event& event, Time now);
  void follow(Upgrade& upgrade, Upgrade::Step step, Time now);

  void begin_handoff(bool candidate, Time now);
  void start_fresh(bool candidate, Time now);
  void current_ended(const std::string& code, const std::string& how, Time now);
  void candidate_took_over(Time now);
  void nobody_serves(Generation gone, const std::string& how, Time now);
  void wait_and_restart(const std::string& how, Time now);
  void wait(const std::string& what, Time now);
  void fresh_failed(Time now);
  void send_stop(Time now);
  void maybe_stopped();
  // The next share of a progressive upgrade waits for the end of a handoff, or of a plan.
  bool may_share() const { return state_ == State::kRunning && !upgrade_; }
  bool serving() const { return state_ == State::kRunning || state_ == State::kAdopting; }
  std::optional<Refuse> refusal() const;
  Refuse nothing_to_rehearse_with() const;
  void note(Note::Level level, std::string text);
  void add(Effects effects);

  // service_late.cc
  void relink(Time now);
  void next_share(Time now);
  void give_back();
  void gather(Time now);

  Policy policy_;
  State state_ = State::kStopped;
  Generation last_ = 0;     // the highest one given
  Generation current_ = 0;  // the process that is to own, or owns, the sockets; 0 if there is none
  bool registered_ = false;
  std::set<Generation> alive_;
  Time running_since_{};
  std::optional<Time> ready_by_;
  std::optional<Time> retry_at_;
  std::optional<Time> kill_at_;
  bool timed_out_ = false;
  bool opening_ = false;  // a candidate is being opened for...
  Timeouts request_;      // ...a handoff with these deadlines
  Time requested_at_{};
  Duration opened_in_{};
  bool rehearsal_ = false;  // ...that is only tried
  std::optional<Fresh> fresh_;
  std::optional<Upgrade> upgrade_;
  Probation probation_;
  LateProcesses late_;
  Progressive progressive_;
  std::vector<std::uint32_t> request_shares_;  // as request_
  Duration request_pause_{};
  bool upgrade_candidate_ = false;
  Probation::Origin origin_ = Probation::Origin::kNew;  // of the candidate
  bool by_itself_ = false;  // what is under way is the way back of a release that did not pass
  bool replacing_ = false;  // which can't hand over and is being ended
  std::optional<Return> return_;
  std::uint64_t sessions_ = 0;  // of the current process, as counted last
  Backoff backoff_;
  std::uint64_t restarts_ = 0;
  Effects out_;
};

}  // namespace handoff::supervisor
