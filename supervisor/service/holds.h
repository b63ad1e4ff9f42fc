// Which processes the sessions need of those generations of a service that live. Each is asked, and
// not waited for longer than it may take to answer: it may hang.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "supervisor/core/kin.h"
#include "supervisor/loop/handles.h"
#include "supervisor/service/process_table.h"

namespace handoff::supervisor {

class Holds {
 public:
  static constexpr Duration kAnswers = std::chrono::milliseconds(300);

  // known: what they have said, and who has said nothing; once, on the loop. processes outlives
  // this object.
  Holds(uv_loop_t* loop, ProcessTable& processes, std::function<void()> known);
  Holds(const Holds&) = delete;
  Holds& operator=(const Holds&) = delete;

  const std::vector<Hold>& all() const { return holds_; }
  // They may hold anything.
  const std::set<Generation>& silent() const { return silent_; }

 private:
  void answered(Generation generation, const SessionsCounted& answer);

  std::function<void()> known_;
  std::vector<Hold> holds_;
  std::set<Generation> silent_;
  Timer timer_;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for answers that come later
};

}  // namespace handoff::supervisor
