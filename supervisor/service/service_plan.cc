// The part of ServiceRunner that plans: it lets the machine rehearse an upgrade, gathers what the
// two processes find, and tells what would come of it.
#include <spdlog/spdlog.h>

#include <utility>

#include "libhandoff/base/scoped_value.h"
#include "supervisor/host/free_memory.h"
#include "supervisor/operators/plan_json.h"
#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {

using nlohmann::json;

// Unlike an upgrade it is recorded when it is over: until then nothing is changed that somebody
// would have to know of.
void ServiceRunner::plan(const std::string& path, std::optional<std::vector<std::string>> args,
                         const Timeouts& timeouts, const ClientPtr& client) {
  want(path, std::move(args));
  const auto asking = client.lock();
  const int before = std::exchange(asked_by_, asking ? asking->uid() : -1);
  PlanFacts facts;
  facts.timeouts = timeouts;
  facts.drain_incompatible = config_.drain_incompatible;
  const ScopedValue wanted(wanted_plan_, std::make_optional(std::move(facts)));
  ask(HandoffRequested{.to = Probation::Origin::kNew, .rehearsal = true, .timeouts = timeouts},
      client);
  // Refused: what is under way is somebody else's.
  if (wanted_plan_) asked_by_ = before;
}

void ServiceRunner::drop_plan(const ClientPtr& client) {
  if (plan_) feed(RehearsalDropped{});
  if (const auto asking = client.lock()) {
    asking->finish({{"event", "done"}, {"result", "done"}, {"service", name()}});
  }
}

void ServiceRunner::weigh_before_plan() {
  if (!plan_) return;
  if (const auto free = free_memory()) {
    plan_->free_memory = free->bytes;
    plan_->free_memory_of = free->of;
  }
  if (const Process* donor = current()) plan_->donor_rss = resident(donor->pid);
}

// As `status` has it: it may be of an upgrade under another supervisor.
std::optional<PastBlackout> ServiceRunner::last_blackout() const {
  if (!last_upgrade_.is_object() || last_upgrade_.value("result", "") != "done") return {};
  const json sessions = last_upgrade_.value("sessions", json::object());
  const json blackout = last_upgrade_.value("blackout_us", json::object());
  const PastBlackout last{blackout.value("max", std::uint64_t{0}),
                          sessions.value("moved", std::uint64_t{0})};
  return last.us == 0 || last.sessions == 0 ? std::nullopt : std::make_optional(last);
}

void ServiceRunner::take_findings(Generation generation, protocol::Rehearsed findings) {
  if (!plan_ || findings.handoff_id != to_.generation) return;
  if (generation == to_.generation) {
    plan_->heir = std::move(findings);
  } else if (generation == from_.generation) {
    plan_->donor = std::move(findings);
  }
}

void ServiceRunner::conclude_plan(const Report& report) {
  PlanFacts facts = std::exchange(plan_, std::nullopt).value_or(PlanFacts{});
  facts.report = report;
  facts.last = last_blackout();
  const Plan plan = make_plan(facts, name(), to_.release);
  spdlog::info("{}: rehearsed generation {}: {}", name(), to_.generation, plan.sentence);
  json answer = plan_json(name(), plan, report, from_, to_);
  if (const auto recorded = record_plan(answer); !recorded) {
    // No upgrade is begun that could not be told afterwards.
    const json problem{{"code", "history"}, {"message", recorded.error().message}};
    answer["problems"].push_back(problem);
    answer["sentence"] =
        "An upgrade of " + name() +
        " would be refused, and its users would notice nothing: " + recorded.error().message + ".";
    answer["error"] = problem;
    answer["result"] = "failed";
  }
  answer["state"] = machine_.state_name();
  tell(answer, true);
  to_release_.reset();
}

Result<void> ServiceRunner::record_plan(const json& answer) {
  json record = plan_record(answer);
  record["uid"] = asked_by_;
  auto recorded = host_.record(std::move(record));
  if (!recorded) spdlog::error("{}: {}", name(), recorded.error().message);
  return recorded;
}

}  // namespace handoff::supervisor
