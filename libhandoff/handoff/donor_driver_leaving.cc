// The part of DonorDriver that leaves something behind: what the heir's release does not claim, and
// sessions that can't be moved.
#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "libhandoff/core/unmovable.h"
#include "libhandoff/handoff/donor_driver.h"
#include "libhandoff/handoff/greeting.h"

namespace handoff::io {
namespace {

using protocol::Type;
using E = core::DonorEventType;

core::DonorEvent malformed(std::string text) {
  return {E::kMalformed, {core::Code::kProtocol, std::move(text)}};
}

}  // namespace

Result<protocol::Hello> DonorDriver::hello() {
  const bool drains = parameters_.drain_incompatible && registry_.can_hold();
  auto out = donor_hello(registry_, parameters_.id, lanes_.sessions(), drains,
                         core::in_force(parameters_.unmovable, means(true)));
  if (!out) return out;
  leaving_ = core::leaving(out->manifest, parameters_.claims, parameters_.may);
  out->manifest = core::without(std::move(out->manifest), leaving_);
  return out;
}

// Only a service with one lane keeps sessions of a kind that is not claimed.
std::vector<core::LeftOut> DonorDriver::left_out() const {
  std::vector<core::LeftOut> out = leaving_.all;
  std::map<std::string_view, std::uint64_t> counts;
  if (std::any_of(out.begin(), out.end(),
                  [](const auto& one) { return one.sort == core::Sort::kSessions; })) {
    for (const auto& [id, entry] : registry_.sessions) {
      if (leaving_.has_kind(entry.kind)) ++counts[registry_.kinds[entry.kind].name];
    }
  }
  for (core::LeftOut& one : out) {
    if (one.sort == core::Sort::kSessions) one.sessions = counts[one.name];
  }
  return out;
}

std::string DonorDriver::no_stay(bool heir_links) const {
  if (registry_.lanes > 1) return "a service with several lanes keeps none of these";
  if (!registry_.can_hold()) {
    return "the service has not the callbacks late, moved, freeze_session and thaw_session";
  }
  return heir_links ? "" : "the new release knows no late sessions";
}

core::Means DonorDriver::means(bool heir_links) const {
  return {.holds = registry_.can_hold(), .heir_links = heir_links};
}

bool DonorDriver::leave(const std::vector<protocol::Refusal>& refused, bool after_delta) {
  if (!refused.empty() && unmovable_ == core::Unmovable::kRefuse) return false;
  lanes_.refused(refused, after_delta);
  return true;
}

core::DonorEvent DonorDriver::prepared(std::string_view body) {
  const auto said = protocol::decode<protocol::Prepared>(body);
  if (!said) return malformed(said.error().message);
  if (heir_prepared_ || said->sessions != lanes_.progress().at_heir) {
    return malformed("the heir is prepared for another number of sessions than was sent");
  }
  heir_prepared_ = true;
  if (!leave(said->refused, true)) return malformed("the heir leaves sessions that must not stay");
  return {E::kPrepared};
}

// An heir that takes the sessions over without a Release has said before what it refuses, and its
// donor may have been stopped until now.
void DonorDriver::read_refusals() {
  for (int i = 0; i < 64 && !heir_prepared_ && unmovable_ != core::Unmovable::kRefuse; ++i) {
    Channel::Message message;
    const auto received = lanes_.main().channel().recv(message);
    if (!received || *received != Channel::Received::kMessage) return;
    if (message.header.type != Type::kPrepared) continue;
    (void)prepared(message.body);
    return;
  }
}

}  // namespace handoff::io
