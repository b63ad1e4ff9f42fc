// One step that is being taken, as the three shells share it: effects come one after the other, and
// the process that acts may die between two of them.
#pragma once

#include "bugs.h"
#include "machines.h"
#include "world.h"

namespace handoff::simulation {

struct Setting {
  Machines& machines;
  Bug bug = Bug::kNone;
  // The supervisor's deadlines are longer than those that donor and heir keep, so its patience ends
  // only when nothing else can happen. Without it they may end at any time.
  bool patient = true;
};

enum class Who : std::uint8_t { kDonor, kHeir, kSupervisor };

class Turn {
 public:
  Turn(const Setting& in, World& world, const Step& taken) : setting(in), w(world), step(taken) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Call it before each effect that other processes can see; false if the actor has just died.
  bool act(Who who);
  // Whether the step asks for this refusal.
  bool refuses(Step::Refusal what);
  // The process dies by a fault, and not by a signal of another one.
  void dies(Who who);
  // Sends a message to the supervisor, if it still listens.
  void tell(Who who, Message message, std::uint8_t value = 0);

  const Setting& setting;
  World& w;
  const Step& step;
  unsigned effects = 0;
  bool refused = false;

 private:
  bool alive(Who who) const;
};

}  // namespace handoff::simulation
