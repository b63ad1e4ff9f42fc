// The rules of the simulated world: which steps can be taken next, and the world after each.
//
// Time is left out: a timer of donor or heir may fire whenever it is set. A handoff that is safe
// without any assumption about time is safe with it. The supervisor's patience is the one exception
// (Setting).
#pragma once

#include <vector>

#include "truth.h"
#include "turn.h"

namespace handoff::simulation {

class Simulation {
 public:
  explicit Simulation(const Setting& setting) : setting_(setting) {}

  // Appends every step that can be taken; the order means nothing. The caller tries variants with a
  // cut or a refusal.
  void steps(const World& world, std::vector<Step>& out) const;

  struct Taken {
    unsigned effects = 0;  // a cut must be lower to make a difference
    bool refused = false;  // the refusal that was asked for came about
  };
  Taken take(World& world, const Step& step) const;

  std::optional<std::string> violation(const World& world) const {
    return simulation::violation(world, setting_);
  }
  std::optional<std::string> violation_at_end(const World& world) const {
    return simulation::violation_at_end(world);
  }
  const Setting& setting() const { return setting_; }

 private:
  void donor_steps(const World& world, std::vector<Step>& out) const;
  void heir_steps(const World& world, std::vector<Step>& out) const;
  void supervisor_steps(const World& world, bool quiet, std::vector<Step>& out) const;
  void moves(const World& world, std::vector<Step>& out) const;
  void faults(const World& world, std::vector<Step>& out) const;
  bool timer_is_due(const World& world, bool quiet) const;

  Setting setting_;
};

// Whether the step has something that can be refused in this way.
bool can_refuse(const World& world, const Step& step, Step::Refusal refusal);

}  // namespace handoff::simulation
