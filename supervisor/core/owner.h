// The process that owns the sockets of a service, or is to: started or found, on its way up, asked
// to stop, and started again after it died. Also which processes of the service are alive at all,
// and which generation comes next.
//
// - Stopped: Starting follows a start, Adopting a process that was found.
// - Starting, Adopting: Running follows once the process has come up.
// - Starting, Running: Backoff follows when the process is gone, and Starting after the wait.
// - Stopping: follows a stop in any state, and ends in Stopped when all processes are gone, and
// what
//   they have left, if that is to be ended (ChildrenPolicy::kEnd).
// - Recovering: its process has died, and what it had goes on from its vault. Running follows when
//   a handoff from there has another owner. Its generation is the vault's reader, or 0 until there
//   is one.
//
// A process that is being adopted is waited for without a deadline: that it has not reported back
// is no reason to end it.
#pragma once

#include <algorithm>
#include <optional>
#include <set>

#include "supervisor/core/backoff.h"
#include "supervisor/core/children.h"
#include "supervisor/core/effects.h"
#include "supervisor/core/exit.h"

namespace handoff::supervisor {

class Owner {
 public:
  enum class State { kStopped, kStarting, kAdopting, kRunning, kStopping, kBackoff, kRecovering };

  void set_children(ChildrenPolicy children) { children_ = children; }
  State state() const { return state_; }
  Generation generation() const { return generation_; }  // 0 if there is none
  Generation last() const { return last_; }              // the highest one given
  std::uint64_t restarts() const { return restarts_; }
  std::uint64_t sessions() const { return sessions_; }  // as counted last
  bool timed_out() const { return timed_out_; }         // SIGKILL is on its way
  // Why, of one that has timed out; else "".
  std::string too_late() const { return timed_out_ ? not_ready(registered_) : ""; }
  // Or its sessions wait to be served.
  bool serves() const {
    return state_ == State::kRunning || state_ == State::kAdopting || state_ == State::kRecovering;
  }
  bool is(Generation generation) const { return generation_ == generation; }
  std::optional<Time> deadline() const;
  std::optional<Time> next_start() const { return retry_at_; }  // after it died

  // ---- all processes of the service
  Generation next();  // of a process that is about to be spawned
  void saw(Generation generation) {
    alive_.insert(generation);
    last_ = std::max(last_, generation);
  }
  void lost(Generation generation) { alive_.erase(generation); }
  bool alive(Generation generation) const { return alive_.contains(generation); }
  bool nobody_alive() const { return alive_.empty(); }
  Generation newest_alive() const { return alive_.empty() ? 0 : *alive_.rbegin(); }
  Effects kill_all();

  // ---- the one that is to own
  // Left by the supervisor before this one; generation 0: none.
  void found(Generation last, Generation generation, std::uint64_t restarts);
  Effects start(bool candidate, const Timeouts& timeouts, Time now);
  // Before that generation starts: its time begins. 0: the last thing of a stop.
  Effects children_ended(Generation generation, Time now);
  void registered() { registered_ = true; }
  void counted(std::uint64_t sessions) { sessions_ = sessions; }
  void came_up(Time now);
  // A handoff has another owner.
  void replaced_by(Generation heir, std::uint64_t sessions, Time now);
  // What it had is with its vault: reader will own that, or nobody does yet.
  void recover(Generation reader);
  // Nobody owns any more; returns who did.
  Generation gone();

  // ---- what follows
  // A new release serves: the next wait is a short one again.
  void forgive() { backoff_.reset(); }
  void stay_down() { state_ = State::kStopped; }
  // Until its next start; a run as long as the one that has just ended decides how long.
  Duration wait(Time now);
  // All processes are to go; those that are still there by then are killed.
  void stop(Time kill_at);
  // The owner is to go by then, and the service is not stopped.
  void end_by(Time kill_at) { kill_at_ = kill_at; }
  void let_be() { kill_at_.reset(); }
  Effects send_stop(Time now) const;
  // Stopping, and the last of them has gone, if it has.
  Effects stopped();
  // timeouts: of a start that has been waited for.
  Effects tick(const Timeouts& timeouts, Time now);

 private:
  State state_ = State::kStopped;
  ChildrenPolicy children_ = ChildrenPolicy::kLeave;
  bool clearing_ = false;  // stopping, and what was left is being ended
  bool at_once_ = false;   // stopping, and nobody waits
  Duration start_within_{};
  Generation last_ = 0;
  Generation generation_ = 0;
  bool registered_ = false;
  bool timed_out_ = false;
  std::set<Generation> alive_;
  Time running_since_{};
  std::optional<Time> ready_by_;
  std::optional<Time> retry_at_;
  std::optional<Time> kill_at_;
  std::uint64_t sessions_ = 0;
  std::uint64_t restarts_ = 0;
  Backoff backoff_;
};

}  // namespace handoff::supervisor
