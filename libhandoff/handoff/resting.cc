#include "libhandoff/handoff/resting.h"

#include <string>
#include <utility>

#include "libhandoff/base/description.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

using core::Code;

core::Time Resting::links_until(core::Time frozen_at, core::Duration budget) const {
  const handoff_callbacks& has = registry_.callbacks;
  const bool rests = has.freeze != nullptr && (registry_.told.used() || has.save == nullptr);
  return core::Rest::links_until(frozen_at, budget, rests);
}

void Resting::begin_freeze(core::Time frozen_at, core::Duration budget) {
  until_ = core::Rest::end(frozen_at, budget);
  budget_ = budget;
  registry_.told.begin_freeze(static_cast<std::uint64_t>(until_));
}

// Whatever was put before the service said that all are at rest is known here when that is heard.
Resting::Look Resting::look() {
  const auto said = registry_.told.take_frozen();
  if (said && said->result < 0) {
    rest_.cancel();
    std::string why = "sessions did not come to rest: ";
    why += said->why.empty() ? description(said->result) : said->why;
    return {.over = true, .failed = core::Reason{Code::kRejected, std::move(why)}};
  }
  Look look;
  switch (rest_.look(said.has_value(), now_us())) {
    case core::Rest::Verdict::kWait:
      return look;
    case core::Rest::Verdict::kRested:
      look.failed = hold_unrested(true);
      break;
    case core::Rest::Verdict::kTimeIsUp:
      look.failed = hold_unrested(false);
      break;
  }
  look.over = true;
  (void)registry_.touch_what_was_put();
  return look;
}

// said: the service says that all are at rest. That may be the word of a freeze that was given up.
std::optional<core::Reason> Resting::hold_unrested(bool said) {
  std::uint64_t unrested = 0;
  for (auto& [id, entry] : registry_.sessions) {
    if (entry.held || entry.stays || registry_.is_at_rest(id, entry)) continue;
    // One that has never put is saved, or can't be moved, and that is for the policy to say.
    const bool is_for_save = registry_.callbacks.save != nullptr || !registry_.can_hold();
    if (said && is_for_save && !registry_.told.has(id)) continue;
    registry_.await_rest(id, entry);
    ++unrested;
  }
  if (unrested == 0) return std::nullopt;
  const std::string text =
      std::to_string(unrested) + (unrested == 1 ? " session has" : " sessions have") +
      (said ? std::string(" put no state since freeze() was called, although all were said to be "
                          "at rest")
            : " not come to rest within " + std::to_string(core::Rest::end(0, budget_) / 1000) +
                  " ms");
  if (!registry_.can_hold()) {
    return core::Reason{said ? Code::kRejected : Code::kTimeout,
                        text +
                            ", and can't stay, since the service lacks one of late(), moved(), "
                            "freeze_session() and thaw_session()"};
  }
  registry_.log(HANDOFF_LOG_INFO, text + ": they follow once they have");
  return std::nullopt;
}

void Resting::thaw() {
  rest_.cancel();
  registry_.told.end_freeze();
  registry_.told.all_go_on();
  for (auto& [id, entry] : registry_.sessions) {
    if (!std::exchange(entry.unrested, false)) continue;
    registry_.sessions.hold(entry, false);
  }
}

void Resting::release_rested() {
  for (const auto& [id, entry] : registry_.sessions) {
    if (entry.unrested) (void)registry_.release_rested({id});
  }
}

}  // namespace handoff::io
