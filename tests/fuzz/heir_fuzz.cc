// The heir under any sequence of events, also such as no shell would report. The rules here look
// only at what it has heard and done, never at how it decides.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "libhandoff/core/heir.h"

namespace handoff::core {
namespace {

using S = HeirState;
using E = HeirEventType;
using F = HeirEffect;

bool from_the_channel(E type) {
  switch (type) {
    case E::kHelloAccepted:
    case E::kPeerAborted:
    case E::kMalformed:
    case E::kListeners:
    case E::kProgress:
    case E::kCopyEnd:
    case E::kPrepare:
    case E::kRelease:
    case E::kChannelClosed:
      return true;
    default:
      return false;
  }
}

class Watch {
 public:
  explicit Watch(Limits limits) : limits_(limits), heir_(limits) {
    heir_.start(now_);
    check_state();
  }

  void pass(Duration time) { now_ += time; }
  void pass_deadline() { now_ = std::max(now_, heir_.deadline().value_or(now_)); }

  void step(const HeirEvent& event) {
    const Heir before = heir_;
    Heir twin = heir_;
    const std::vector<F> effects = heir_.step(event, now_);
    story_.push_back({now_, event.type, effects, heir_.state()});
    CHECK_THAT(twin.step(event, now_) == effects && twin == heir_, "not the same twice" + story());

    const bool early = event.type == E::kTimer && (!before.deadline() || now_ < *before.deadline());
    if (before.finished() || early) {
      CHECK_THAT(effects.empty(), "done after the end, or by an old timer" + story());
      CHECK_THAT(heir_.state() == before.state() && heir_.deadline() == before.deadline(), story());
    }
    hear(before, event.type);
    for (const F effect : effects) did(effect, before.state());
    check_state();
  }

  // Whatever has happened before: the donor's exit is seen, all its messages are read, what can be
  // restored is restored, and the ownership word has answered. Then the heir owns the sessions or
  // goes (invariant I2, docs/invariants.md).
  void end() {
    for (const E type : {E::kChannelClosed, E::kPeerExited, E::kReadOut, E::kRestored, E::kWon}) {
      step({.type = type});
    }
    CHECK_THAT(heir_.finished(), "an orphan" + story());
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

  void hear(const Heir& before, E type) {
    // No message comes from a channel that is at its end, and no process exits twice.
    if (from_the_channel(type) && channel_ended_) honest_ = false;
    if (type == E::kPeerExited && exit_seen_) honest_ = false;
    if (type == E::kChannelClosed || (type == E::kReadOut && before.state() == S::kReadingOut)) {
      channel_ended_ = true;
    }
    if (type == E::kPeerExited) exit_seen_ = true;
    if (type == E::kPeerExited || type == E::kChannelClosed) donor_gone_ = true;
    if (before.finished()) return;
    if (type == E::kListeners) listeners_ = true;
    if (type == E::kPrepare) prepared_ = true;
    // Once the ownership word is asked, only its answer counts.
    if (type == E::kPeerAborted && before.state() != S::kClaiming) abort_seen_ = true;
    if (before.state() == S::kClaiming && type == E::kWon) won_ = true;
    if (before.state() == S::kClaiming && type == E::kLost) lost_ = true;
    if (before.state() == S::kRestoring && type == E::kRestored) restored_ = true;
    if (before.state() == S::kReadingOut && type == E::kReadOut) read_out_ = true;
  }

  void did(F effect, S before) {
    switch (effect) {
      case F::kSendHello:
        CHECK_THAT(before == S::kWaiting && ++hellos_ == 1, story());
        break;
      case F::kSendCopied:
        CHECK_THAT(hellos_ == 1 && listeners_, "a copy without listeners is none" + story());
        break;
      case F::kRestore:
        CHECK_THAT(prepared_ && ++restores_ == 1, story());
        restored_ = false;
        break;
      case F::kSendPrepared:
        CHECK_THAT(prepared_ && restored_ && ++prepareds_ == 1, story());
        break;
      case F::kSendResumed:
        CHECK_THAT(won_ && ++resumeds_ == 1, story());
        break;
      case F::kClaim:
        CHECK_THAT(prepared_ && !won_ && !lost_ && runs_ == 0 && gos_ == 0, story());
        break;
      case F::kKeepUnmoved:
        CHECK_THAT(runs_ == 0 && ++keeps_ == 1 && listeners_, story());
        break;
      case F::kRun:
        CHECK_THAT(++runs_ == 1 && gos_ == 0, story());
        // One owner (invariant I1): the heir has won the ownership word, or the donor is gone and
        // all its messages are read.
        CHECK_THAT(won_ || (exit_seen_ && (read_out_ || lost_)), story());
        CHECK_THAT(keeps_ == 1 || won_, story());
        // State matches the stream (invariant I3): Prepare was complete, or nothing stale is
        // served.
        CHECK_THAT(keeps_ == 1 || (prepared_ && restored_ && !abort_seen_), story());
        break;
      case F::kSendAbort:
        CHECK_THAT(resumeds_ == 0 && ++aborts_ == 1, "Resumed can't be taken back" + story());
        break;
      case F::kFence:
        CHECK_THAT(!exit_seen_ && ++fences_ == 1, "killed a process that is gone" + story());
        CHECK_THAT(!prepared_, "killed a donor that might have taken the sessions back" + story());
        break;
      case F::kReadOut:
        CHECK_THAT(exit_seen_ && ++readings_ == 1, "read to the end before the end" + story());
        break;
      case F::kGo:
        CHECK_THAT(++gos_ == 1 && runs_ == 0, story());
        CHECK_THAT(heir_.reason().code != Code::kUnspecified && !heir_.reason().text.empty(),
                   "goes, and does not say why" + story());
        // No orphan (invariant I2): nobody else is left to serve, or the sessions were taken.
        CHECK_THAT(!honest_ || !donor_gone_ || !listeners_ || (lost_ && !exit_seen_),
                   "the last one goes" + story());
        CHECK_THAT(!won_, "goes with the sessions that it took" + story());
        break;
    }
  }

  void check_state() const {
    CHECK_THAT((heir_.state() == S::kOwner) == (runs_ == 1), story());
    CHECK_THAT((heir_.state() == S::kFailed) == (gos_ == 1), story());
    CHECK_THAT(!heir_.donor_died() || donor_gone_, story());
    CHECK_THAT(!heir_.mid_copy() || heir_.donor_died(), story());
    CHECK_THAT(runs_ == 0 || heir_.mid_copy() == (keeps_ == 1), story());
    switch (heir_.state()) {
      case S::kWaiting:
      case S::kReceiving:
      case S::kCopied:
        CHECK_THAT(heir_.deadline() && *heir_.deadline() <= now_ + limits_.stall, story());
        break;
      case S::kPrepared:
        CHECK_THAT(heir_.deadline() && *heir_.deadline() <= now_ + 2 * limits_.budget, story());
        break;
      case S::kClaiming:  // at once
        CHECK_THAT(heir_.deadline() && *heir_.deadline() <= now_, story());
        break;
      default:
        CHECK_THAT(!heir_.deadline(), story());
    }
  }

  Limits limits_;
  Heir heir_;
  Time now_ = 1'000'000;
  std::vector<Line> story_;
  bool honest_ = true;  // only what a shell may report has been reported so far
  bool channel_ended_ = false;
  bool exit_seen_ = false;
  bool donor_gone_ = false;
  bool listeners_ = false;
  bool prepared_ = false;
  bool restored_ = false;  // since the last Restore
  bool won_ = false;
  bool lost_ = false;
  bool abort_seen_ = false;
  bool read_out_ = false;
  int hellos_ = 0, restores_ = 0, prepareds_ = 0, resumeds_ = 0, keeps_ = 0, runs_ = 0;
  int aborts_ = 0, fences_ = 0, readings_ = 0, gos_ = 0;
};

}  // namespace
}  // namespace handoff::core

// Each event is two bytes: which, and when.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace handoff::core;
  FuzzedDataProvider in(data, size);
  Limits limits;
  limits.stall = in.ConsumeIntegralInRange<Duration>(1, 3'600'000'000);
  limits.budget = in.ConsumeIntegralInRange<Duration>(1, 3'600'000'000);
  Watch watch(limits);
  for (int steps = 0; in.remaining_bytes() > 0 && steps < 60; ++steps) {
    const auto type = static_cast<HeirEventType>(in.ConsumeIntegral<std::uint8_t>() %
                                                 static_cast<unsigned>(kHeirEvents));
    const auto when = in.ConsumeIntegral<std::uint8_t>();
    if (when == 0xff) {
      watch.pass_deadline();
    } else if (when >= 0x80) {
      watch.pass(limits.budget / 64 * (when - 0x80));
    } else {
      watch.pass(when);
    }
    watch.step({.type = type, .reason = {Code::kRejected, "why"}});
  }
  watch.end();
  return 0;
}
