// The donor under any sequence of events, also such as no shell would report. The rules here look
// only at what it has heard and done, never at how it decides.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "libhandoff/core/donor.h"

namespace handoff::core {
namespace {

using S = DonorState;
using E = DonorEventType;
using F = DonorEffect;

class Watch {
 public:
  explicit Watch(Limits limits) : limits_(limits), donor_(limits) {
    donor_.start(now_);
    check_state();
  }

  void pass(Duration time) { now_ += time; }
  void pass_deadline() { now_ = std::max(now_, donor_.deadline().value_or(now_)); }

  void step(const DonorEvent& event) {
    const Donor before = donor_;
    Donor twin = donor_;
    const std::vector<F> effects = donor_.step(event, now_);
    story_.push_back({now_, event.type, effects, donor_.state()});
    CHECK_THAT(twin.step(event, now_) == effects && twin == donor_, "not the same twice" + story());

    const bool early = event.type == E::kTimer && (!before.deadline() || now_ < *before.deadline());
    if (before.finished() || early) {
      CHECK_THAT(effects.empty(), "done after the end, or by an old timer" + story());
      CHECK_THAT(donor_.state() == before.state() && donor_.deadline() == before.deadline(),
                 story());
    }
    hear(before.state(), event.type);
    for (const F effect : effects) did(effect, before);
    check_state();
  }

  // Whatever has happened before: once the heir is gone and the ownership word has answered, the
  // donor knows whose the sessions are (invariant I2, docs/invariants.md).
  void end() {
    for (const E type : {E::kChannelClosed, E::kPeerExited, E::kWon, E::kPeerExited}) {
      step({.type = type, .reason = {Code::kPeerDied, "the end"}});
    }
    CHECK_THAT(donor_.finished(), "an orphan" + story());
    CHECK_THAT(closes_ == 1, "the channel stays open, or is closed twice" + story());
    CHECK_THAT(freezes_ == thaws_ + retires_, "a freeze without an end" + story());
  }

 private:
  struct Line {
    Time now;
    E event;
    std::vector<F> effects;
    S state;
  };
  std::string story() const {
    std::string text;
    for (const Line& line : story_) {
      text += "\n" + std::to_string(line.now) + " " + std::string(name(line.event)) + ":";
      for (const F effect : line.effects) text += " " + std::string(name(effect));
      text += " -> " + std::string(name(line.state));
    }
    return text;
  }

  void hear(S before, E type) {
    if (type == E::kPeerExited) exit_seen_ = true;
    if (before == S::kReleasing && type == E::kReleaseSent) released_ = true;
    if (before == S::kFrozen && type == E::kDeltaSent) prepare_sent_ = true;
    if (before == S::kReleased && type == E::kResumed) resumed_ = true;
    if (before == S::kClaiming && type == E::kWon) won_ = true;
    if (before == S::kClaiming && type == E::kLost) lost_ = true;
    const bool told = type == E::kAbortSent || type == E::kPeerAborted || prepare_sent_ || lost_ ||
                      type == E::kChannelClosed || type == E::kResumed || type == E::kPeerExited;
    may_close_ = may_close_ || told;
  }

  void did(F effect, const Donor& before) {
    switch (effect) {
      case F::kStartRound:
        ++rounds_;
        CHECK_THAT(serving_ && donor_.round() == rounds_ && rounds_ <= 8, story());
        break;
      case F::kFreeze:
        CHECK_THAT(serving_ && ++freezes_ == 1 && donor_.frozen_at() == now_, story());
        serving_ = false;
        break;
      case F::kSendRelease:
        CHECK_THAT(!serving_ && ++releases_ == 1, story());
        // The heir gets its fifth of the budget (invariant I4).
        CHECK_THAT(now_ < before.frozen_at() + limits_.budget / 5 * 4, story());
        break;
      case F::kThaw:
        CHECK_THAT(!serving_ && ++thaws_ == 1, story());
        CHECK_THAT(retires_ == 0, "thawed what was given away" + story());
        // One owner (invariant I1).
        CHECK_THAT(won_ && !lost_, "thawed without the ownership word" + story());
        serving_ = true;
        break;
      case F::kSendAbort:
        CHECK_THAT((won_ || serving_) && ++aborts_ == 1, "a Release can't be taken back" + story());
        break;
      case F::kFence:
        CHECK_THAT(!exit_seen_ && ++fences_ == 1, "killed a process that is gone" + story());
        CHECK_THAT(!prepare_sent_, "killed a process that might own the sessions" + story());
        break;
      case F::kClaim:
        CHECK_THAT(!serving_ && !won_ && !lost_ && retires_ == 0, story());
        break;
      case F::kCloseChannel:
        // An heir that waits for Prepare takes EOF for the donor's death.
        CHECK_THAT(may_close_ && ++closes_ == 1, story());
        CHECK_THAT(aborts_ == 0 || donor_.state() == S::kServing, story());
        break;
      case F::kRetire:
        CHECK_THAT((lost_ || (released_ && resumed_)) && ++retires_ == 1,
                   "gave away unasked" + story());
        break;
      case F::kReportFailed:
        CHECK_THAT(serving_ && ++reports_ == 1, story());
        CHECK_THAT(donor_.reason().code != Code::kUnspecified && !donor_.reason().text.empty(),
                   "failed, and does not say why" + story());
        break;
    }
  }

  void check_state() const {
    CHECK_THAT(donor_.serving() == serving_, story());
    CHECK_THAT(donor_.finished() == (closes_ == 1), story());
    CHECK_THAT((donor_.state() == S::kServing) == (reports_ == 1), story());
    CHECK_THAT((donor_.state() == S::kRetired) == (retires_ == 1), story());
    CHECK_THAT(!donor_.heir_lost() || (retires_ == 1 && exit_seen_), story());
    switch (donor_.state()) {
      case S::kGreeting:
      case S::kCopying:
      case S::kAwaitingCopied:
        CHECK_THAT(donor_.deadline() && *donor_.deadline() <= now_ + limits_.stall, story());
        break;
      // Nothing extends the budget.
      case S::kFrozen:
      case S::kPreparing:
      case S::kReleasing:
        CHECK_THAT(donor_.deadline() == donor_.frozen_at() + limits_.budget / 5 * 4, story());
        break;
      case S::kReleased:
        CHECK_THAT(donor_.deadline() == donor_.frozen_at() + limits_.budget, story());
        break;
      case S::kClaiming:  // at once
        CHECK_THAT(donor_.deadline() && *donor_.deadline() <= now_, story());
        break;
      default:
        CHECK_THAT(!donor_.deadline(), story());
    }
  }

  Limits limits_;
  Donor donor_;
  Time now_ = 1'000'000;
  std::vector<Line> story_;
  bool serving_ = true;
  bool exit_seen_ = false;
  bool released_ = false;  // Release is in the heir's buffer
  bool resumed_ = false;
  bool prepare_sent_ = false;
  bool won_ = false;
  bool lost_ = false;
  bool may_close_ = false;
  std::uint32_t rounds_ = 0;
  int freezes_ = 0, thaws_ = 0, releases_ = 0, aborts_ = 0, fences_ = 0;
  int closes_ = 0, retires_ = 0, reports_ = 0;
};

}  // namespace
}  // namespace handoff::core

// Each event is two bytes: which, and when; Copied has two more, how much has changed.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace handoff::core;
  FuzzedDataProvider in(data, size);
  Limits limits;
  limits.stall = in.ConsumeIntegralInRange<Duration>(1, 3'600'000'000);
  limits.budget = in.ConsumeIntegralInRange<Duration>(1, 3'600'000'000);
  Watch watch(limits);
  for (int steps = 0; in.remaining_bytes() > 0 && steps < 60; ++steps) {
    const auto type = static_cast<DonorEventType>(in.ConsumeIntegral<std::uint8_t>() %
                                                  static_cast<unsigned>(kDonorEvents));
    const auto when = in.ConsumeIntegral<std::uint8_t>();
    DonorEvent event{.type = type, .reason = {Code::kRejected, "why"}, .dirty = 0, .sessions = 0};
    if (type == DonorEventType::kCopied) {
      event.dirty = in.ConsumeIntegral<std::uint16_t>();
      event.sessions = event.dirty + in.ConsumeIntegral<std::uint8_t>();
    }
    if (when == 0xff) {
      watch.pass_deadline();
    } else if (when >= 0x80) {
      watch.pass(limits.budget / 64 * (when - 0x80));
    } else {
      watch.pass(when);
    }
    watch.step(event);
  }
  watch.end();
  return 0;
}
