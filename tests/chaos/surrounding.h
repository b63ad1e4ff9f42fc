// One surrounding: how it comes about, what it promises of each blow, and how it passes.
#pragma once

#include <memory>
#include <vector>

#include "account.h"
#include "scene.h"

namespace chaos {

class Surrounding {
 public:
  virtual ~Surrounding() = default;

  // The steps of a siege, in their order.
  virtual void prepare(Scene&) {}         // nothing runs yet
  virtual void before_clients(Scene&) {}  // all services run
  virtual void happen(Scene&) {}          // the clients are busy
  // At the blow: between the supervisor's death and the next one's start, else just before.
  virtual void at_the_blow(Scene&) {}
  virtual Promise promise(Hit) const { return {}; }
  // Until the commands that were under way have ended, and what else is tried in the surrounding.
  virtual std::vector<Told> told(Scene&, Hit) { return {}; }
  virtual void pass(Scene&, Hit) {}  // from here on all is as before
};

std::unique_ptr<Surrounding> make_surrounding(What what);
// Surroundings in which an operation of the struck service is under way, or was.
std::unique_ptr<Surrounding> make_operation(What what);

}  // namespace chaos
