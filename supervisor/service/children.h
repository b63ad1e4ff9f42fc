// What the generations of a service have left when they ended: who that is, and their end. One is
// ended after the other, each with a new look at what there is.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "supervisor/core/effects.h"
#include "supervisor/core/kin.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/processes/ending.h"
#include "supervisor/service/holds.h"
#include "supervisor/service/process_table.h"
#include "supervisor/service/service_host.h"

namespace handoff::supervisor {

class Children {
 public:
  // All outlive this object. happened gets what then has happened.
  Children(const ServiceHost& host, const std::string& service, ProcessTable& processes,
           std::function<void(Event)> happened);

  // A process of the service has ended: from now on its children are what it has left.
  void left_by(const Process& process);
  void carry_out(const EndChildren& end);
  void carry_out(const LookForChildren& look);
  // What all that have gone have left is ended before that generation starts.
  void end_before(Generation starts, std::function<void()> then);
  // [{"generation","lives","count","processes":[{"pid","command"}]}] of those that have any, beyond
  // their own.
  void tell(std::function<void(nlohmann::json)> told);
  // all: what there is. A process has let the supervisor know of it, and is no service.
  void knocked(int pid, const std::vector<ProcessSeen>& all);

  void save(std::vector<SavedLeft>& out) const;
  void restore(const SavedService& saved);

 private:
  struct Task {
    Generation of = 0;  // 0: of all that have gone
    Duration grace{};
    std::function<void()> then;
  };
  using Kin = std::map<Generation, std::vector<ProcessSeen>>;

  void add(Task task);
  void look(std::function<void(const Kin&)> then);
  // With what sessions need of what has been left.
  void ask_and_look(std::function<void(const Kin&, bool all_said)> then);
  Kin kin(const std::vector<ProcessSeen>& all, std::vector<Hold> holds = {}) const;
  void go_on();
  void found(const Kin& kin, bool all_said);
  void over(const Kin& kin);
  // Forgets those of these generations that have left nothing.
  void forget(const Kin& kin, const std::vector<Generation>& of);
  std::vector<Generation> gone() const;
  std::vector<Root> roots() const;
  bool lives(Generation generation) const;

  const ServiceHost& host_;
  const std::string& service_;
  ProcessTable& processes_;
  std::function<void(Event)> happened_;
  std::map<Generation, Root> gone_;
  std::vector<Generation> looked_for_;  // had gone when the first task's look began
  bool known_ = false;                  // the last look has seen something
  std::deque<Task> tasks_;              // the first is under way
  std::unique_ptr<Ending> ending_;
  std::map<int, std::unique_ptr<Holds>> asked_;
  int asks_ = 0;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for what is called back later
};

}  // namespace handoff::supervisor
