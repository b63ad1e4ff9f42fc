#include "supervisor/service/rehearsal.h"

#include <unistd.h>

#include <utility>

#include "supervisor/host/memory_levels.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// The upgrade before may have been one under another supervisor.
std::optional<PastBlackout> blackout_of(const json& upgrade) {
  if (!upgrade.is_object() || upgrade.value("result", "") != "done") return {};
  const json sessions = upgrade.value("sessions", json::object());
  const json blackout = upgrade.value("blackout_us", json::object());
  const PastBlackout last{blackout.value("max", std::uint64_t{0}),
                          sessions.value("moved", std::uint64_t{0})};
  return last.us == 0 || last.sessions == 0 ? std::nullopt : std::make_optional(last);
}

}  // namespace

Rehearsal::Rehearsal(const HandoffRequested& request, const ServiceConfig& config,
                     Surroundings around) {
  facts_.timeouts = request.timeouts;
  facts_.drain_incompatible = config.drain_incompatible;
  facts_.unclaimed = config.unclaimed;
  facts_.held = std::move(around.held);
  facts_.elsewhere = std::move(around.elsewhere);
  facts_.one_way = request.one_way;
  facts_.keeps_late = config.late == LateSessions::kKeep;
  facts_.goes_back_past = around.back != nullptr;
  if (around.back != nullptr) facts_.back = around.back->manifest;
}

void Rehearsal::weigh(pid_t donor) {
  std::vector<pid_t> pids{::getpid()};
  if (donor > 0) pids.push_back(donor);
  facts_.memory = memory_levels(pids);
  if (donor <= 0) return;
  facts_.donor_rss = resident(donor);
  facts_.donor_own = own_memory(donor);
}

void Rehearsal::take_findings(bool heir, protocol::Rehearsed findings) {
  (heir ? facts_.heir : facts_.donor) = std::move(findings);
}

Plan Rehearsal::conclude(const std::string& service, const Report& report, const Party& to,
                         const json& last_upgrade) {
  facts_.report = report;
  facts_.last = blackout_of(last_upgrade);
  return make_plan(facts_, service, to.release);
}

}  // namespace handoff::supervisor
