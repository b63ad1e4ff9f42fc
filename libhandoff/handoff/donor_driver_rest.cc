// The part of DonorDriver that waits for a service whose sessions come to rest while its loop
// turns. What has not come to rest in time is left out, as a session that is held: it moves late.
#include <string>
#include <utility>

#include "libhandoff/base/description.h"
#include "libhandoff/handoff/donor_driver.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {
namespace {

using core::Code;
using E = core::DonorEventType;

}  // namespace

bool DonorDriver::begin_rest() {
  if (registry_.lanes > 1) {
    handle({E::kRefused, {Code::kRejected, core::kNoRestInLanes}});
    return false;
  }
  rest_.begin(core::Rest::end(machine_.frozen_at(), parameters_.limits.budget));
  return true;
}

// Whatever was put before the service said that all are at rest is known here when that is heard.
void DonorDriver::rest() {
  if (!rest_.under_way()) return;
  if (!resting()) return rest_.cancel();  // it was given up
  const auto said = registry_.told.take_frozen();
  if (said && said->result < 0) {
    rest_.cancel();
    std::string why = "sessions did not come to rest: ";
    why += said->why.empty() ? description(said->result) : said->why;
    return handle({E::kRefused, {Code::kRejected, std::move(why)}});
  }
  switch (rest_.look(said.has_value(), now_us())) {
    case core::Rest::Verdict::kWait:
      return;
    case core::Rest::Verdict::kRested:
      hold_unrested(true);
      break;
    case core::Rest::Verdict::kTimeIsUp:
      hold_unrested(false);
      break;
  }
  (void)registry_.touch_what_was_put();
}

// said: the service says that all are at rest. That may be the word of a freeze that was given up.
void DonorDriver::hold_unrested(bool said) {
  std::uint64_t unrested = 0;
  for (auto& [id, entry] : registry_.sessions) {
    if (entry.held || entry.stays || registry_.is_at_rest(id, entry)) continue;
    // One that has never put is saved, or can't be moved, and that is for the policy to say.
    const bool is_for_save = registry_.callbacks.save != nullptr || !registry_.can_hold();
    if (said && is_for_save && !registry_.told.has(id)) continue;
    registry_.await_rest(id, entry);
    ++unrested;
  }
  if (unrested == 0) return;
  const std::string text =
      std::to_string(unrested) + (unrested == 1 ? " session has" : " sessions have") +
      (said ? std::string(" put no state since freeze() was called, although all were said to be "
                          "at rest")
            : " not come to rest within " +
                  std::to_string(core::Rest::end(0, parameters_.limits.budget) / 1000) + " ms");
  if (!registry_.can_hold()) {
    return handle({E::kRefused,
                   {said ? Code::kRejected : Code::kTimeout,
                    text + ", and can't stay, since the service lacks one of late(), moved(), "
                           "freeze_session() and thaw_session()"}});
  }
  registry_.log(HANDOFF_LOG_INFO, text + ": they follow once they have");
}

void DonorDriver::release_unrested() {
  for (auto& [id, entry] : registry_.sessions) {
    if (!std::exchange(entry.unrested, false)) continue;
    registry_.sessions.hold(entry, false);
  }
}

}  // namespace handoff::io
