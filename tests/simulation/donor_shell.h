// The donor's shell (process/service, handoff/donor_driver) in the simulation: it feeds the same
// events to the same machine, and carries out effects in the same order. A loop of the real shell
// is one step for each message here.
#pragma once

#include <deque>

#include "turn.h"

namespace handoff::simulation {

class DonorShell {
 public:
  explicit DonorShell(Turn& turn) : turn_(turn), w_(turn.w), donor_(turn.w.donor) {}

  void hears();
  void sends();
  void receives(When when);
  void sees_exit();
  void timer();
  void kills();
  void moves(std::uint8_t session);

 private:
  struct Event {
    core::DonorEventType type;
    When when;
  };
  void handle(core::DonorEventType type, When when = When::kNow);
  void step(const Event& event);
  void perform(core::DonorEffect effect);
  void receive_one(When when);
  void claim();
  void retire();
  void close_channel();
  void forget_script();
  void settle();
  bool has_bug(Bug bug) const { return turn_.setting.bug == bug; }
  const core::Donor& machine() const { return turn_.setting.machines.donor(donor_.machine); }

  Turn& turn_;
  World& w_;
  DonorSide& donor_;
  std::deque<Event> events_;
  bool handling_ = false;
};

}  // namespace handoff::simulation
