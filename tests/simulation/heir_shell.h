// The heir's shell (process/service, handoff/heir_driver) in the simulation: it feeds the same
// events to the same machine, and carries out effects in the same order. A loop of the real shell
// is one step for each message here.
#pragma once

#include <deque>

#include "turn.h"

namespace handoff::simulation {

class HeirShell {
 public:
  explicit HeirShell(Turn& turn) : turn_(turn), w_(turn.w), heir_(turn.w.heir) {}

  void is_ready();
  void hears();
  void receives();
  void sees_exit();
  void timer();
  void kills();
  void tells();
  void moves(std::uint8_t session);

 private:
  void handle(core::HeirEventType type, When when = When::kNow);
  void step(core::HeirEventType type, When when);
  void perform(core::HeirEffect effect);
  void receive_one();
  void read_what_is_there();
  void read_to_the_end();
  core::HeirEventType understand(Packet packet);
  void send_or_refuse(Message message);
  void claim();
  void send_resumed();
  void run();
  void settle();
  void refuse(Session& session);
  void refuse_one();
  bool takes(const Session& session) const {
    return !session.refused || has_bug(Bug::kRefusedIsKept);
  }
  bool has_bug(Bug bug) const { return turn_.setting.bug == bug; }
  const core::Heir& machine() const { return turn_.setting.machines.heir(heir_.machine); }
  bool reads() const {
    return heir_.alive && !heir_.runs && !heir_.failed && !machine().finished();
  }

  Turn& turn_;
  World& w_;
  HeirSide& heir_;
  struct Event {
    core::HeirEventType type;
    When when;
  };
  std::deque<Event> events_;
  bool handling_ = false;
  bool chosen_ = false;  // which sessions are kept
};

}  // namespace handoff::simulation
