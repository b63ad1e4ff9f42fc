#include "judge.h"

namespace chaos {
namespace {

using Owner = Examination::Owner;

// Checks the command's exit status against the process that serves, and the number of lost sessions
// that it told.
std::vector<std::string> judge_report(const Point* point, const Expectation& expected,
                                      const Findings& found, bool afterwards) {
  std::vector<std::string> out;
  // Where visitors may be lost with the donor they are sessions like any other. If it had come to
  // say that they stay with it, they count as those.
  const bool late_lost = expected.late_lost;
  const auto reset =
      static_cast<std::int64_t>(found.tally.reset + (late_lost ? found.tally.visitors_reset : 0));
  const std::int64_t waiting = late_lost ? found.struck.waiting : 0;
  const std::int64_t reported = found.struck.reported;
  const std::string told =
      std::to_string(reported) + " sessions reported as lost, " + std::to_string(reset) + " were";
  switch (found.struck.status) {
    case 0:
      if (found.owner == Owner::kDonor)
        out.emplace_back("exit status 0, and the old release serves");
      if (reset > waiting && !afterwards) out.push_back("exit status 0: " + told);
      break;
    case 1:
      if (afterwards) break;
      if (found.owner != Owner::kDonor) {
        out.emplace_back("exit status 1, and the old process does not serve");
      }
      if (reset != 0) out.push_back("exit status 1: " + told);
      break;
    case 5:
      if (reported == 0 && point != nullptr && point->uncounted) break;
      if (reported > reset || reported + waiting < reset) out.push_back(told);
      break;
    default:  // nobody could report
      break;
  }
  return out;
}

}  // namespace

bool has_reported(int status) { return status == 0 || status == 1 || status == 5; }

std::vector<std::string> judge(const Cell& cell, const Point* point, const Expectation& expected,
                               const Findings& found) {
  std::vector<std::string> out;
  for (const char* sign : {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:"}) {
    if (found.log.find(sign) != std::string::npos) out.emplace_back(sign);
  }
  const std::uint64_t cut =
      found.tally.reset + (expected.late_lost ? 0 : found.tally.visitors_reset);
  if (!expected.loss && cut > 0) {
    out.push_back(std::to_string(cut) + " connections were lost, and the fault table says none");
  }
  // The upgrade need not report an owner that dies or hangs once the handoff is over: the heir
  // after a handoff that was done, the donor after one that failed.
  const int over_with = has_donor(cell.victim) ? 1 : 0;
  const int status = found.struck.status;
  // What was not to be seen yet when the supervisor said "done" could not be told. The tester sees
  // a death a moment after the supervisor can, so this never blames the supervisor for nothing.
  const bool told_before =
      status == 0 && found.struck.told_at.value_or(Clock::time_point::max()) <= found.struck.at;
  const bool afterwards =
      (found.struck.over || told_before) && status == over_with && expected.loss;
  if (!expected.statuses.contains(status) && !afterwards) {
    std::string may;
    for (const int other : expected.statuses) may += " " + std::to_string(other);
    out.push_back("handoff upgrade ended with " + std::to_string(status) + ", expected" + may);
  }
  if (expected.ordered) return out;
  // The upgrade need not report a crash before anything had begun.
  if (point != nullptr && point->latest == Phase::kAsked && expected.loss) return out;
  if (expected.quiet_kept && found.quiet != found.quiet_before) {
    out.emplace_back("a session was lost whose socket had not moved");
  }
  if (found.owner == Owner::kNobody && !expected.nobody) out.emplace_back("nobody serves");
  const auto report = judge_report(point, expected, found, afterwards);
  out.insert(out.end(), report.begin(), report.end());
  return out;
}

}  // namespace chaos
