#include "supervisor/core/operation.h"

#include "supervisor/core/duration.h"

namespace handoff::supervisor {

void DeadDonor::add_to(Report& report) const {
  if (how.empty()) return;
  report.result = Report::Result::kLost;
  report.lost += sessions;
  if (report.from == 0) report.from = generation;
  const std::string what = "the old release " + how + " while the new one was being opened";
  report.message = report.message.empty() ? what : what + "; " + report.message;
  if (report.code.empty()) report.code = "peer_died";
  if (report.failed == Report::Failed::kNone) report.failed = Report::Failed::kOld;
}

void Report::keep_in_vault() {
  result = Result::kFailed;
  lost = 0;
  lost_ids.clear();
  message += "; the sessions go on from the vault";
}

Direction Handoff::direction() const {
  if (from_vault) return Direction::kRecovery;
  if (by_itself) return Direction::kBackByItself;
  const bool back = request.to == Probation::Origin::kBack || candidate == Probation::Origin::kBack;
  return back ? Direction::kBack : Direction::kForward;
}

void Fresh::fail(std::string its_code, std::string its_why) {
  code = std::move(its_code);
  why = std::move(its_why);
}

void Fresh::ended(const std::string& its_code, const std::string& how,
                  const std::string& too_late) {
  if (!code.empty()) return;
  if (!too_late.empty()) {
    fail("timeout", "the new release was not ready within " +
                        format_duration(request.timeouts.start) + " and was ended" + too_late);
  } else {
    fail(its_code, "the new release " + how + (its_code == "exited" ? " before it was ready" : ""));
  }
}

Report Fresh::done(Generation generation, Time now) const {
  Report report{.result = Report::Result::kDone,
                .fresh = true,
                .by_start = request.by_start,
                .to = generation};
  report.open = opened;
  report.start = now - begun;
  dead.add_to(report);
  return report;
}

Report Fresh::failed(Generation generation) const {
  Report report{.result = Report::Result::kFailed,
                .fresh = true,
                .by_start = request.by_start,
                .to = generation};
  report.start = registered;
  report.code = code;
  report.message = why;
  if (code != "cancelled") report.failed = Report::Failed::kNew;
  dead.add_to(report);
  return report;
}

bool Operation::rehearsal() const {
  if (const auto* step = opening()) return step->request.rehearsal;
  return handoff() != nullptr && handoff()->upgrade.rehearsal();
}

bool Operation::by_start() const {
  if (const auto* step = opening()) return step->request.by_start;
  return fresh() != nullptr && fresh()->request.by_start;
}

bool Operation::by_itself() const {
  if (const auto* step = opening()) return step->by_itself;
  return replacing() || (handoff() != nullptr && handoff()->by_itself);
}

Refuse Operation::recovers(const std::string& service) {
  return {"busy", service + " has died, and its sessions go on from its vault; wait a moment " +
                      "(handoff status " + service + ")"};
}

std::optional<Refuse> Operation::refusal(const std::string& service) const {
  if (none()) return std::nullopt;
  if (recovery()) return recovers(service);
  if (by_itself()) {
    return Refuse{"busy", service +
                              " is going back to the release before, since the one that runs did "
                              "not pass its probation; wait for it to end (handoff status " +
                              service + ")"};
  }
  return Refuse{"busy", (rehearsal() ? "a plan of " : "another upgrade of ") + service +
                            " is under way; wait for it to end (handoff status " + service + ")"};
}

}  // namespace handoff::supervisor
