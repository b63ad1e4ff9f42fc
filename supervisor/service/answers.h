// What becomes of the operations of a service, and of a release on probation, as it is told to
// whoever has asked, to the log and to the history.
#pragma once

#include <optional>
#include <string>

#include "supervisor/core/service.h"
#include "supervisor/operators/messages.h"
#include "supervisor/service/limited_log.h"
#include "supervisor/service/process_table.h"
#include "supervisor/service/rehearsal.h"
#include "supervisor/service/service_releases.h"
#include "supervisor/service/telling.h"

namespace handoff::supervisor {

class Answers {
 public:
  // All of them outlive this object.
  Answers(const ServiceConfig& config, const Service& machine, ServiceReleases& releases,
          const ProcessTable& processes, const Listeners& listeners, Telling& telling);

  // ---- of the operation under way
  // Its release is being opened; rehearsal: it is a plan.
  void opens(RequestId request, std::optional<Rehearsal> rehearsal);
  // The supervisor before this one has begun it.
  void resumes(RequestId request, Party donor, Party heir);
  // A process of that release is about to be started, and then was started or not.
  void starts(const Spawn& spawn, const ReleasePtr& release);
  void started(const Spawn& spawn);
  // The last one that this supervisor has seen; null if there was none.
  const nlohmann::json& last_recovery() const { return last_recovery_; }
  bool planning() const { return under_way_ && under_way_->rehearsal; }
  void take_findings(Generation generation, protocol::Rehearsed findings);

  // ---- what the machine says
  void tell(const Announce& announce);
  void tell(const Conclude& conclude);
  void tell(const Refuse& refuse);
  void tell(const Unchanged& unchanged);
  void tell(const Committed& committed);
  void tell(const ProbationFailed& failed);
  void tell(const Crashed& crashed);
  void tell(const Left& left);
  void tell(const OtherRelease& other);
  void tell(const WentBack& back);
  void tell(const Recovered& recovered);
  void tell(const ReportStopped&) { telling_.stopped(); }
  void tell(const Note& note);

 private:
  struct UnderWay {
    RequestId request = 0;
    bool announced = false;  // its release is open: the next process is its
    Time began{};
    Party from;
    Party to;                            // as soon as its process is to be started
    ReleasePtr release = nullptr;        // of that
    std::optional<Rehearsal> rehearsal;  // if it is no more than that
  };
  void tell_plan(UnderWay plan, const Report& report);

  const ServiceConfig& config_;
  const std::string& name_;
  const Service& machine_;
  ServiceReleases& releases_;
  const ProcessTable& processes_;
  const Listeners& listeners_;
  Telling& telling_;
  std::optional<UnderWay> under_way_;
  nlohmann::json last_recovery_ = nullptr;
  LimitedLog notes_;  // what a service says of itself ends up there
};

}  // namespace handoff::supervisor
