// The supervisor's shell (service/service_runner and its channels) in the simulation, around the
// machine of one upgrade.
#pragma once

#include <deque>
#include <optional>

#include "turn.h"

namespace handoff::simulation {

class SupervisorShell {
 public:
  explicit SupervisorShell(Turn& turn) : turn_(turn), w_(turn.w), self_(turn.w.supervisor) {}

  void hears_donor();
  void hears_heir();
  void sees_donor_exit();
  void sees_heir_exit();
  void timer();
  void cancels();

 private:
  void handle(Heard heard, unsigned lost = 0, std::optional<unsigned> sessions = std::nullopt,
              unsigned kept = 0);
  void carry_out(Order order);
  void donate();
  void end_heir();
  void signal_donor(bool kill);
  void drain_donor();
  void drain_heir();
  void conclude();
  bool has_bug(Bug bug) const { return turn_.setting.bug == bug; }
  const supervisor::Upgrade& machine() const {
    return turn_.setting.machines.upgrade(self_.machine);
  }

  Turn& turn_;
  World& w_;
  SupervisorSide& self_;
  struct Event {
    Heard heard;
    unsigned lost;
    unsigned sessions;
    unsigned kept;
  };
  std::deque<Event> events_;
  bool handling_ = false;
};

}  // namespace handoff::simulation
