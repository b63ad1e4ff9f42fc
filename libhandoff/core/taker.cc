#include "libhandoff/core/taker.h"

#include <iterator>
#include <utility>

namespace handoff::core {
namespace {

using S = TakerState;
using E = TakerEventType;
using F = TakerEffect;

}  // namespace

// GroupAbort says that the taker has not touched the sessions. kDrop only closes their fds, so the
// message is true even if it is read before the drop.
Taker::Effects Taker::refuse(Reason reason) {
  reason_ = std::move(reason);
  state_ = S::kIdle;
  return {F::kSendAbort, F::kDrop};
}

std::vector<TakerEffect> Taker::step(const TakerEvent& event) {
  if (state_ == S::kGone) return {};
  if (event.type == E::kPeerExited) {
    if (state_ == S::kReadingOut) return {};
    // Also from kIdle: parts of a group may still be unread in the channel, and the giver is dead.
    staged_ = state_ != S::kIdle;
    state_ = S::kReadingOut;
    return {F::kReadOut};
  }

  switch (state_) {
    case S::kIdle:
      switch (event.type) {
        case E::kSessions:
          reason_ = {};
          state_ = S::kReceiving;
          return {};
        case E::kRefused:
        case E::kPrepare:
          // No session of the group could be taken, or the group is empty.
          return refuse(event.reason);
        default:
          return {};  // also EOF: at the giver's exit the channel is read to its end
      }

    case S::kReceiving:
      switch (event.type) {
        case E::kPrepare:
          state_ = S::kRestoring;
          return {F::kRestore};
        case E::kPeerAborted:
          state_ = S::kIdle;
          return {F::kDrop};
        case E::kRefused:
        case E::kMalformed:
          return refuse(event.reason);
        case E::kRelease:
          return refuse({Code::kProtocol, "GroupRelease before GroupPrepared"});
        default:
          return {};  // also EOF: the giver's exit says what it means
      }

    case S::kRestoring:
      switch (event.type) {
        case E::kRestored:
          state_ = S::kPrepared;
          return {F::kSendPrepared};
        case E::kPeerAborted:
          state_ = S::kIdle;
          return {F::kDrop};
        case E::kRefused:
        case E::kMalformed:
          return refuse(event.reason);
        default:
          return {};
      }

    case S::kPrepared:
      switch (event.type) {
        case E::kRelease:
          state_ = S::kResuming;
          return {F::kSendResumed};
        case E::kPeerAborted:
          state_ = S::kIdle;
          return {F::kDrop};
        case E::kRefused:
        case E::kMalformed:
          return refuse(event.reason);
        default:
          return {};
      }

    case S::kResuming:
      if (event.type != E::kResumedSent) return {};
      state_ = S::kIdle;
      return {F::kAdopt};

    case S::kReadingOut:
      switch (event.type) {
        case E::kSessions:
          staged_ = true;
          return {};
        case E::kPeerAborted:
          staged_ = false;
          return {F::kDrop};
        case E::kReadOut:
          state_ = S::kGone;
          if (!staged_) return {};
          return {F::kKeepWhole};
        default:
          return {};  // reading out takes a GroupRelease as EOF does, and ends at a malformed
                      // message
      }

    case S::kGone:
      return {};
  }
  return {};
}

std::string_view name(TakerState state) {
  static constexpr std::string_view kNames[] = {"Idle",     "Receiving",  "Restoring", "Prepared",
                                                "Resuming", "ReadingOut", "Gone"};
  static_assert(std::size(kNames) == kTakerStates);
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name(TakerEventType type) {
  static constexpr std::string_view kNames[] = {
      "Sessions", "Prepare",   "Restored",      "Release",    "ResumedSent", "PeerAborted",
      "Refused",  "Malformed", "ChannelClosed", "PeerExited", "ReadOut"};
  static_assert(std::size(kNames) == kTakerEvents);
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view name(TakerEffect effect) {
  static constexpr std::string_view kNames[] = {"Restore",   "SendPrepared", "SendResumed",
                                                "Adopt",     "KeepWhole",    "Drop",
                                                "SendAbort", "ReadOut"};
  return kNames[static_cast<std::size_t>(effect)];
}

}  // namespace handoff::core
