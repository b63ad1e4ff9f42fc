// Examines what the blow has left: which process owns the service, whether all clients are served,
// whether anything leaked, what the history tells. Then whether the next upgrade and the end
// succeed.
#pragma once

#include <string>
#include <vector>

#include "stage.h"
#include "strike.h"

namespace chaos {

class Examination {
 public:
  Examination(Stage& stage, const Struck& struck) : stage_(stage), struck_(struck) {}

  void examine();
  // Runs the next upgrade, if there is an owner, and ends everything.
  void go_on();

  enum class Owner { kNobody, kDonor, kHeir, kStartedAnew };
  Owner owner() const;
  const std::string& outcome() const { return outcome_; }  // in words
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  void await_owner();
  void take_up_again();
  void examine_history();
  void examine_sessions();
  void examine_files();
  void upgrade_once_more();
  void finish_traffic();
  void finish_supervisor();
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  Stage& stage_;
  const Struck& struck_;
  pid_t owner_ = 0;  // 0: nobody
  std::string owners_release_;
  std::string outcome_;
  std::vector<std::string> problems_;
};

// "donor", "heir", "nobody", "started anew"
const char* name(Examination::Owner owner);

}  // namespace chaos
