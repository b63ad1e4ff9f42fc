#include "libhandoff/core/donor.h"

#include <utility>

namespace handoff::core {
namespace {

using S = DonorState;
using E = DonorEventType;
using F = DonorEffect;

constexpr std::uint32_t kMaxRounds = 8;
constexpr std::uint64_t kSmallDelta = 64;

}  // namespace

bool Donor::serving() const {
  switch (state_) {
    case S::kGreeting:
    case S::kCopying:
    case S::kAwaitingCopied:
    case S::kAborting:
    case S::kAbortFencing:
    case S::kServing:
      return true;
    case S::kFrozen:
    case S::kPreparing:
    case S::kReleasing:
    case S::kReleased:
    case S::kClaiming:
    case S::kRetired:
      return false;
  }
  return false;
}

bool Donor::another_round(std::uint32_t round, std::uint64_t dirty, std::uint64_t before) {
  if (dirty <= kSmallDelta || round >= kMaxRounds) return false;
  // A round that didn't halve what is left says that sessions change as fast as they are copied.
  return round == 1 || dirty <= before / 2;
}

std::string Donor::what_was_awaited() const {
  switch (state_) {
    case S::kGreeting:
      return "the heir did not say Hello in time";
    case S::kCopying:
      return "the heir stopped taking the copy";
    case S::kAwaitingCopied:
      return "the heir did not confirm the copy in time";
    case S::kFrozen:
      return "the freeze budget ran out while the delta was saved and sent";
    case S::kPreparing:
      return "the freeze budget ran out before the heir was prepared";
    case S::kReleasing:
      return "the freeze budget ran out before Release could be sent";
    case S::kReleased:
      return "the heir was released and did not resume within the freeze budget";
    default:
      return "the heir was silent";
  }
}

// Ends the handoff. A donor that serves owns the sessions; a frozen one must win the ownership
// word.
Donor::Effects Donor::give_up(Reason reason, bool tell, Time now) {
  reason_ = std::move(reason);
  tell_ = tell;
  if (serving()) return serve_on(false);
  state_ = S::kClaiming;
  arm(now, 0);  // if the answer is lost for want of memory, the timer claims again
  return {F::kClaim};
}

// Goes back to serving. To an heir that waits for Prepare a closed channel is the donor's death, so
// the Abort goes out before the channel may be closed. One that is gone or has aborted needs none.
Donor::Effects Donor::serve_on(bool frozen) {
  Effects effects;
  if (tell_) effects.push_back(F::kSendAbort);
  if (frozen) effects.push_back(F::kThaw);
  if (!tell_) effects.insert(effects.end(), {F::kCloseChannel, F::kReportFailed});
  deadline_.reset();
  state_ = tell_ ? S::kAborting : S::kServing;
  return effects;
}

Donor::Effects Donor::retire() {
  Effects effects{F::kRetire, F::kCloseChannel};
  deadline_.reset();
  state_ = S::kRetired;
  heir_lost_ = peer_exited_;
  return effects;
}

std::vector<DonorEffect> Donor::step(const DonorEvent& event, Time now) {
  if (event.type == E::kPeerExited) peer_exited_ = true;
  if (event.type == E::kTimer && (!deadline_ || now < *deadline_)) return {};  // an old timer

  switch (state_) {
    case S::kRetired:
    case S::kServing:
      return {};  // whatever comes late changes nothing

    case S::kAborting:
      switch (event.type) {
        case E::kAbortSent:
        case E::kChannelClosed:
        case E::kPeerExited:
          state_ = S::kServing;
          return {F::kCloseChannel, F::kReportFailed};
        case E::kAbortUnsendable:
          if (prepare_sent_) {  // the heir finds the channel closed and asks the ownership word
            state_ = S::kServing;
            return {F::kCloseChannel, F::kReportFailed};
          }
          // To an heir that waits for Prepare a closed channel is the donor's death. So the channel
          // stays open until the heir has exited.
          state_ = S::kAbortFencing;
          return {F::kFence};
        default:
          return {};
      }

    case S::kAbortFencing:
      if (event.type != E::kPeerExited) return {};
      state_ = S::kServing;
      return {F::kCloseChannel, F::kReportFailed};

    case S::kClaiming:
      switch (event.type) {
        case E::kWon:
          tell_ = tell_ && !peer_exited_;
          return serve_on(true);
        case E::kLost:
          return retire();
        case E::kTimer:
          return {F::kClaim};
        default:
          return {};  // the ownership word's answer decides alone
      }

    default:
      break;
  }

  // The states from kGreeting to kReleased. First the events that end the handoff in all of them.
  switch (event.type) {
    case E::kRefused:
    case E::kMalformed:
      return give_up(event.reason, true, now);
    case E::kPeerAborted:
      return give_up(event.reason, false, now);
    case E::kTimer:
      return give_up({Code::kTimeout, what_was_awaited()}, true, now);
    case E::kChannelClosed:
    case E::kPeerExited:
      return give_up(
          {Code::kPeerDied, state_ == S::kReleased ? "the heir died between Release and Resumed"
                                                   : "the heir died before it was released"},
          false, now);
    default:
      break;
  }

  // Then the events that move the handoff on.
  switch (state_) {
    case S::kGreeting:
      if (event.type != E::kHelloAccepted) break;
      state_ = S::kCopying;
      round_ = 1;
      round_begun_ = now;
      arm(now, limits_.stall);
      return {F::kStartRound};
    case S::kCopying:
      if (event.type == E::kProgress) {
        arm(now, limits_.stall);
        return {};
      }
      if (event.type != E::kRoundSent) break;
      state_ = S::kAwaitingCopied;
      arm(now, limits_.stall);
      return {};
    case S::kAwaitingCopied:
      if (event.type == E::kProgress) {
        arm(now, limits_.stall);
        return {};
      }
      if (event.type != E::kCopied) break;
      if (limits_.rehearsal) return give_up({Code::kCancelled, kRehearsed}, true, now);
      sections_.add({now - round_begun_, event.copying, event.section_bytes});
      large_.add({now - round_begun_, now - round_begun_, event.large_bytes});
      if (another_round(round_, event.dirty, round_ == 1 ? event.sessions : last_dirty_) ||
          sections_.another() || (event.dirty > 0 && large_.another())) {
        last_dirty_ = event.dirty;
        state_ = S::kCopying;
        ++round_;
        round_begun_ = now;
        arm(now, limits_.stall);
        return {F::kStartRound};
      }
      state_ = S::kFrozen;
      frozen_at_ = now;
      arm(now, until_release());
      return {F::kFreeze};
    case S::kFrozen:
      if (event.type == E::kProgress) return {};  // the budget is not extended
      if (event.type != E::kDeltaSent) break;
      state_ = S::kPreparing;
      prepare_sent_ = true;
      return {};
    case S::kPreparing:
      if (event.type == E::kProgress) return {};
      if (event.type != E::kPrepared) break;
      // A released heir must have its fifth of the budget. So after the deadline the donor gives
      // up, even if the timer has not fired yet.
      if (now >= *deadline_) return give_up({Code::kTimeout, what_was_awaited()}, true, now);
      state_ = S::kReleasing;
      return {F::kSendRelease};
    case S::kReleasing:
      if (event.type == E::kProgress) return {};
      if (event.type != E::kReleaseSent) break;
      state_ = S::kReleased;
      arm(frozen_at_, limits_.budget);
      return {};
    case S::kReleased:
      if (event.type == E::kProgress) return {};
      if (event.type != E::kResumed) break;
      return retire();
    default:
      break;
  }

  // A message of the heir came out of order. The shell's own events never do.
  switch (event.type) {
    case E::kHelloAccepted:
    case E::kProgress:
    case E::kCopied:
    case E::kPrepared:
    case E::kResumed:
      return give_up({Code::kProtocol, std::string(name(event.type)) + " from the heir in state " +
                                           std::string(name(state_))},
                     true, now);
    default:
      return {};
  }
}

std::string_view name(DonorState state) {
  static constexpr std::string_view kNames[] = {
      "Greeting", "Copying",  "AwaitingCopied", "Frozen",       "Preparing", "Releasing",
      "Released", "Claiming", "Aborting",       "AbortFencing", "Retired",   "Serving"};
  static_assert(std::size(kNames) == kDonorStates);
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name(DonorEventType type) {
  static constexpr std::string_view kNames[] = {
      "Hello",           "Refused",       "PeerAborted", "Malformed",   "Ack",     "RoundSent",
      "Copied",          "DeltaSent",     "Prepared",    "ReleaseSent", "Resumed", "AbortSent",
      "AbortUnsendable", "ChannelClosed", "PeerExited",  "Won",         "Lost",    "Timer"};
  static_assert(std::size(kNames) == kDonorEvents);
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view name(DonorEffect effect) {
  static constexpr std::string_view kNames[] = {
      "StartRound", "Freeze", "SendRelease",  "Claim",  "Thaw",
      "SendAbort",  "Fence",  "CloseChannel", "Retire", "ReportFailed"};
  return kNames[static_cast<std::size_t>(effect)];
}

}  // namespace handoff::core
