#include "core/heir.h"

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

// The channel is closed or the donor has exited. Both must be true, and the channel read to its
// end, before anything is concluded: EOF may come from a donor that still runs, and an exit
// may be seen before the donor's last messages are read.
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

// Something is wrong while the last sessions are restored. That is the end, unless the donor is
// gone already: then nobody else is left, and what is here counts as stale.
Heir::Effects Heir::spoilt(Reason reason, bool tell) {
  if (!peer_exited_ && !channel_closed_) return give_up(std::move(reason), tell);
  aborted_ = true;
  return donor_died_ ? take_over() : donor_gone();
}

Heir::Effects Heir::take_over() {
  donor_died_ = true;
  if (aborted_ || !prepared_) {
    // A crash of the service. With an Abort after Prepare the donor may have served again, so the
    // state is as stale as in mid-copy.
    mid_copy_ = true;
    if (!listeners_) {
      return give_up({Code::kPeerDied, "the donor died before it had passed its listeners"}, false);
    }
    state_ = S::kOwner;
    return {F::kKeepUnmoved, F::kRun};
  }
  state_ = S::kOwner;
  return {F::kRun};
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
      switch (event.type) {
        case E::kPeerExited:
          state_ = S::kReadingOut;
          return {F::kReadOut};
        case E::kPeerAborted:
          aborted_ = true;
          return {};
        default:
          return {};  // a Release that comes now says what EOF will say
      }

    case S::kReadingOut:
      switch (event.type) {
        case E::kPeerAborted:
          aborted_ = true;
          return {};
        case E::kListeners:
          listeners_ = true;
          return {};
        case E::kPrepare:
          // The donor had said all of it before it died.
          prepared_ = true;
          return {};
        case E::kRefused:
        case E::kMalformed:
          // What can't be applied is not there: stale, but the listeners are kept.
          aborted_ = true;
          return {};
        case E::kReadOut:
          if (prepared_ && !aborted_) {
            donor_died_ = true;
            state_ = S::kRestoring;
            return {F::kRestore};
          }
          return take_over();
        default:
          return {};
      }

    case S::kRestoring:
      switch (event.type) {
        case E::kRestored:
          if (donor_died_) return take_over();
          if (peer_exited_ || channel_closed_) return donor_gone();
          if (limits_.rehearsal) return give_up({Code::kCancelled, kRehearsed}, true);
          state_ = S::kPrepared;
          // The donor keeps its own budget; one that has not decided at twice the budget hangs.
          arm(now, 2 * limits_.budget);
          return {F::kSendPrepared};
        case E::kRefused:
          return spoilt(event.reason, true);
        case E::kPeerAborted:
          return spoilt(event.reason, false);
        case E::kChannelClosed:
        case E::kPeerExited:
        case E::kTimer:
        case E::kReadOut:
        case E::kResumedSent:
          return {};  // looked at once everything is restored
        default:
          return spoilt(
              {Code::kProtocol, std::string(name(event.type)) + " from the donor before Prepared"},
              true);
      }

    case S::kPrepared:
      switch (event.type) {
        case E::kRelease:
          state_ = S::kResuming;
          arm(now, limits_.budget);
          return {F::kSendResumed};
        case E::kPeerAborted:
          return give_up(event.reason, false);
        case E::kRefused:
        case E::kMalformed:
          return give_up(event.reason, true);
        case E::kTimer:
        case E::kChannelClosed:
        case E::kPeerExited:
          return donor_gone();
        default:
          return give_up(
              {Code::kProtocol, std::string(name(event.type)) + " from the donor after Prepare"},
              true);
      }

    case S::kResuming:
      switch (event.type) {
        case E::kResumedSent:
          deadline_.reset();
          state_ = S::kOwner;
          return {F::kRun};
        case E::kTimer:  // a donor whose buffer takes no Resumed: certainty comes from its exit
        case E::kPeerExited:
          return donor_gone();
        default:
          return {};
      }

    default:
      break;
  }

  // kWaiting, kReceiving, kCopied: before Prepare is complete.
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
  static constexpr std::string_view kNames[] = {"Waiting",  "Receiving", "Copied",     "Restoring",
                                                "Prepared", "Fencing",   "ReadingOut", "Resuming",
                                                "Owner",    "Failed"};
  static_assert(std::size(kNames) == kHeirStates);
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name(HeirEventType type) {
  static constexpr std::string_view kNames[] = {
      "Hello",        "Refused",       "PeerAborted", "Malformed", "Listeners",
      "copy message", "CopyEnd",       "Prepare",     "Restored",  "Release",
      "ResumedSent",  "ChannelClosed", "PeerExited",  "ReadOut",   "Timer"};
  static_assert(std::size(kNames) == kHeirEvents);
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view name(HeirEffect effect) {
  static constexpr std::string_view kNames[] = {
      "SendHello", "SendCopied", "Restore", "SendPrepared", "SendResumed", "KeepUnmoved",
      "Run",       "SendAbort",  "Fence",   "ReadOut",      "Go"};
  return kNames[static_cast<std::size_t>(effect)];
}

}  // namespace handoff::core
