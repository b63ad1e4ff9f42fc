#include "libhandoff/core/heir.h"

#include <utility>

namespace handoff::core {
namespace {

using S = HeirState;
using E = HeirEventType;
using F = HeirEffect;

}  // namespace

Heir::Effects Heir::give_up(Reason reason, bool tell) {
  reason_ = std::move(reason);
  deadline_.reset();
  state_ = S::kFailed;
  if (tell) return {F::kSendAbort, F::kGo};
  return {F::kGo};
}

// Before Prepare, the channel is closed or the donor has exited. A donor that still runs may close
// its channel, and its exit may be seen before its last messages are read. So the heir concludes
// nothing until it has seen both and read the channel to its end.
Heir::Effects Heir::donor_gone() {
  if (limits_.rehearsal) {
    return give_up({Code::kPeerDied, "the donor was gone before the rehearsal was over"}, false);
  }
  deadline_.reset();
  if (!peer_exited_) {
    state_ = S::kFencing;
    return {F::kFence};
  }
  state_ = S::kReadingOut;
  return {F::kReadOut};
}

// After Prepare, once everything is restored. Whether the donor lives does not matter: unless it
// has taken the ownership word, it never touches the sessions again.
Heir::Effects Heir::claim(Time now) {
  state_ = S::kClaiming;
  arm(now, 0);  // if the answer is lost for want of memory, the timer claims again
  return {F::kClaim};
}

// A failure while the last sessions are restored. The heir gives up, unless the donor is gone
// already: then nobody else may be left, so the heir goes on, and what it has counts as stale. A
// donor's vault is somebody else.
Heir::Effects Heir::spoilt(Reason reason, bool tell, Time now) {
  const bool donor_lives = !peer_exited_ && !channel_closed_;
  if (donor_lives || limits_.donor_kept) return give_up(std::move(reason), tell);
  if (limits_.rehearsal) return donor_gone();
  reason_ = std::move(reason);
  stale_ = true;
  return claim(now);
}

Heir::Effects Heir::won() {
  Effects effects{F::kSendResumed, F::kRun};
  if (stale_) effects.insert(effects.begin() + 1, F::kKeepUnmoved);
  deadline_.reset();
  donor_died_ = peer_exited_ || channel_closed_;
  mid_copy_ = stale_;
  state_ = S::kOwner;
  return effects;
}

// The donor took the ownership word and serves, so the sessions are not the heir's. If the donor
// has died since, nobody else is left: the heir keeps what it can.
Heir::Effects Heir::lost() {
  if (peer_exited_) return keep();
  if (reason_.code == Code::kUnspecified) {
    reason_ = {Code::kCancelled, "the donor took the sessions back"};
  }
  return give_up(reason_, false);
}

// The service has crashed, and the donor may have served since it sent what is here.
Heir::Effects Heir::keep() {
  if (limits_.donor_kept) {
    return give_up({Code::kPeerDied, "the donor died in mid-copy, and its vault has its sessions"},
                   false);
  }
  if (!listeners_) {
    return give_up({Code::kPeerDied, "the donor died before it had passed its listeners"}, false);
  }
  Effects effects{F::kKeepUnmoved, F::kRun};
  deadline_.reset();
  donor_died_ = mid_copy_ = true;
  state_ = S::kOwner;
  return effects;
}

std::vector<HeirEffect> Heir::step(const HeirEvent& event, Time now) {
  if (event.type == E::kPeerExited) peer_exited_ = true;
  if (event.type == E::kChannelClosed) channel_closed_ = true;
  if (event.type == E::kTimer && (!deadline_ || now < *deadline_)) return {};

  switch (state_) {
    case S::kOwner:
    case S::kFailed:
      return {};

    case S::kFencing:
      if (event.type == E::kPeerExited) {
        state_ = S::kReadingOut;
        return {F::kReadOut};
      }
      // What is here has become stale, however much of Prepare is still to be read.
      stale_ = stale_ || event.type == E::kPeerAborted || event.type == E::kRefused ||
               event.type == E::kMalformed;
      return {};

    case S::kReadingOut:
      switch (event.type) {
        case E::kPeerAborted:
          stale_ = true;
          return {};
        case E::kListeners:
          listeners_ = true;
          return {};
        case E::kPrepare:
          // The donor had sent all of Prepare before it died.
          prepared_ = listeners_;
          return {};
        case E::kRefused:
        case E::kMalformed:
          // A part that can't be applied is missing: what is here is stale, and the listeners stay.
          stale_ = true;
          return {};
        case E::kReadOut:
          if (!prepared_ || stale_) return keep();
          state_ = S::kRestoring;
          return {F::kRestore};
        default:
          return {};
      }

    case S::kRestoring:
      switch (event.type) {
        case E::kRestored:
          if (limits_.rehearsal && (peer_exited_ || channel_closed_)) return donor_gone();
          if (limits_.rehearsal) return give_up({Code::kCancelled, kRehearsed}, true);
          if (peer_exited_ || channel_closed_) return claim(now);
          state_ = S::kPrepared;
          // The donor decides within the budget. At twice the budget it counts as hung.
          arm(now, 2 * limits_.budget);
          return {F::kSendPrepared};
        case E::kRefused:
          return spoilt(event.reason, true, now);
        case E::kPeerAborted:
          return spoilt(event.reason, false, now);
        case E::kChannelClosed:
        case E::kPeerExited:
        case E::kTimer:
        case E::kReadOut:
        case E::kWon:
        case E::kLost:
          return {};  // claim() comes once everything is restored
        default:
          return spoilt(
              {Code::kProtocol, std::string(name(event.type)) + " from the donor before Prepared"},
              true, now);
      }

    case S::kPrepared:
      switch (event.type) {
        case E::kRelease:
        case E::kTimer:
        case E::kChannelClosed:
        case E::kPeerExited:
          return claim(now);
        case E::kPeerAborted:
          return give_up(event.reason, false);
        case E::kRefused:
        case E::kMalformed:
          return give_up(event.reason, true);
        default:
          return give_up(
              {Code::kProtocol, std::string(name(event.type)) + " from the donor after Prepare"},
              true);
      }

    case S::kClaiming:
      switch (event.type) {
        case E::kWon:
          return won();
        case E::kLost:
          return lost();
        case E::kTimer:
          return {F::kClaim};
        default:
          return {};  // the ownership word's answer decides alone
      }

    default:
      break;
  }

  // The states before Prepare is complete: kWaiting, kReceiving, kCopied.
  switch (event.type) {
    case E::kRefused:
    case E::kMalformed:
      return give_up(event.reason, true);
    case E::kPeerAborted:
      return give_up(event.reason, false);
    case E::kTimer:
      return give_up({Code::kTimeout, state_ == S::kWaiting ? "the donor did not say Hello in time"
                                                            : "the donor stopped in mid-copy"},
                     true);
    case E::kChannelClosed:
    case E::kPeerExited:
      if (state_ == S::kWaiting) {
        return give_up({Code::kPeerDied, "the donor was gone before it said Hello"}, false);
      }
      return donor_gone();
    default:
      break;
  }

  switch (state_) {
    case S::kWaiting:
      if (event.type != E::kHelloAccepted) break;
      state_ = S::kReceiving;
      arm(now, limits_.stall);
      return {F::kSendHello};
    case S::kReceiving:
    case S::kCopied:
      switch (event.type) {
        case E::kListeners:
          if (listeners_) break;
          listeners_ = true;
          arm(now, limits_.stall);
          return {};
        case E::kProgress:
          state_ = S::kReceiving;
          arm(now, limits_.stall);
          return {};
        case E::kCopyEnd:
          if (!listeners_) break;
          if (limits_.rehearsal) {
            deadline_.reset();
            state_ = S::kRestoring;
            return {F::kRestore};
          }
          state_ = S::kCopied;
          arm(now, limits_.stall);
          return {F::kSendCopied};
        case E::kPrepare:
          if (!listeners_ || limits_.rehearsal) break;
          prepared_ = true;
          deadline_.reset();
          state_ = S::kRestoring;
          return {F::kRestore};
        default:
          break;
      }
      break;
    default:
      break;
  }
  return give_up({Code::kProtocol, std::string(name(event.type)) + " from the donor in state " +
                                       std::string(name(state_))},
                 true);
}

std::string_view name(HeirState state) {
  static constexpr std::string_view kNames[] = {"Waiting",  "Receiving", "Copied",  "Restoring",
                                                "Prepared", "Claiming",  "Fencing", "ReadingOut",
                                                "Owner",    "Failed"};
  static_assert(std::size(kNames) == kHeirStates);
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name(HeirEventType type) {
  static constexpr std::string_view kNames[] = {
      "Hello",         "Refused",    "PeerAborted", "Malformed", "Listeners", "copy message",
      "CopyEnd",       "Prepare",    "Restored",    "Release",   "Won",       "Lost",
      "ChannelClosed", "PeerExited", "ReadOut",     "Timer"};
  static_assert(std::size(kNames) == kHeirEvents);
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view name(HeirEffect effect) {
  static constexpr std::string_view kNames[] = {
      "SendHello",   "SendCopied", "Restore",   "SendPrepared", "Claim",   "SendResumed",
      "KeepUnmoved", "Run",        "SendAbort", "Fence",        "ReadOut", "Go"};
  return kNames[static_cast<std::size_t>(effect)];
}

}  // namespace handoff::core
