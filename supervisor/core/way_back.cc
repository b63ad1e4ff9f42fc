#include "supervisor/core/way_back.h"

#include <algorithm>

#include "libhandoff/core/negotiation.h"

namespace handoff::supervisor {
namespace {

bool names(const core::Manifest& in, const std::string& name) {
  return std::any_of(in.named.begin(), in.named.end(),
                     [&](const core::Named& named) { return named.name == name; });
}

// All that could be said of the protocol itself the two say in their Hellos.
core::Offer offer(const core::Manifest& manifest, bool drains) {
  return {.protocol_min = 1,
          .protocol_max = 1,
          .manifest = manifest,
          .links = true,
          .drain_incompatible = drains};
}

struct Found {
  std::vector<std::string> against;
  core::Leaving leaving;
};

Found hand_over(core::Manifest donor, const core::Manifest& heir, core::MayLeaveOut may,
                bool drains) {
  // A claim that nobody can meet is none: the donor has no such fd to give.
  std::erase_if(donor.named, [&](const core::Named& named) {
    return named.address.empty() && !names(heir, named.name);
  });
  // One that does not say what it claims is given all.
  if (heir.named.empty()) donor.named.clear();
  Found out{.against = {}, .leaving = core::leaving(donor, heir, may)};
  for (const auto& reason :
       core::mismatches(offer(core::without(donor, out.leaving), drains), offer(heir, false))) {
    out.against.push_back(reason.text);
  }
  return out;
}

}  // namespace

WayBack way_back(const core::Manifest& newer, const core::Manifest& older, bool drains) {
  const auto may = may_leave_out({}, Direction::kBackByItself);
  Found all = hand_over(newer, older, may, drains);
  core::Manifest without_regions = newer;
  std::erase_if(without_regions.kinds, [](const core::Kind& kind) { return kind.region; });
  Found found = hand_over(without_regions, older, may, drains);
  WayBack out{.against = std::move(found.against), .leaves = std::move(all.leaving.all)};
  for (std::string& reason : all.against) {
    if (std::ranges::find(out.against, reason) != out.against.end()) continue;
    out.once_rewritten.push_back(std::move(reason));
  }
  return out;
}

std::string one_way(const core::Manifest& newer, const core::Manifest& runs,
                    const core::Manifest& older, const UnclaimedPolicy& policy, bool drains) {
  const auto forward = hand_over(runs, newer, may_leave_out(policy, Direction::kForward), drains);
  if (!forward.against.empty()) return "";
  const WayBack back = way_back(newer, older, drains);
  if (back.against.empty()) return "";
  std::string text = "there is no way back by a handoff from release " + newer.release +
                     " to release " + older.release + ": " + back.against.front();
  if (const std::size_t more = back.against.size() - 1; more > 0) {
    text += " (and " + std::to_string(more) + " more, see handoff plan)";
  }
  if (runs.release == older.release) return text;
  return text + "; release " + runs.release +
         " is on probation, so one goes back past it (handoff commit makes it permanent)";
}

}  // namespace handoff::supervisor
