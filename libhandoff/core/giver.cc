#include "libhandoff/core/giver.h"

#include <iterator>
#include <utility>

namespace handoff::core {
namespace {

using S = GiverState;
using E = GiverEventType;
using F = GiverEffect;

}  // namespace

Giver::Effects Giver::give_up(Reason reason) {
  reason_ = std::move(reason);
  deadline_.reset();
  state_ = S::kAborting;
  return {F::kSendAbort};
}

Giver::Effects Giver::take_back(Reason reason) {
  reason_ = std::move(reason);
  deadline_.reset();
  state_ = cut_ ? S::kGone : S::kIdle;
  return {F::kThaw};
}

// Also before Release: what is read to the end can't surprise a later group.
Giver::Effects Giver::read_out() {
  deadline_.reset();
  cut_ = true;
  if (state_ == S::kReleased) {
    state_ = S::kReadingOut;
    return {F::kReadOut};
  }
  if (idle()) {
    state_ = S::kGone;
    return {};
  }
  return take_back({Code::kPeerDied, "the taker has exited"});
}

std::vector<GiverEffect> Giver::step(const GiverEvent& event, Time now) {
  if (event.type == E::kTimer && (!deadline_ || now < *deadline_)) return {};
  if (state_ == S::kGone) return {};
  // In any state.
  switch (event.type) {
    case E::kPeerExited:
      if (state_ == S::kReadingOut) return {};
      return read_out();
    case E::kMalformed:
      cut_ = true;
      break;
    case E::kChannelClosed:
      cut_ = true;
      break;
    default:
      break;
  }

  switch (state_) {
    case S::kIdle:
      if (cut_) {
        state_ = S::kGone;
        return {};
      }
      if (event.type != E::kBegun) return {};
      state_ = S::kSending;
      deadline_ = now + limits_.budget;
      reason_ = {};
      return {F::kFreeze};

    case S::kSending:
    case S::kPreparing:
    case S::kReleasing:
      switch (event.type) {
        case E::kSent:
          if (state_ == S::kSending) state_ = S::kPreparing;
          return {};
        case E::kPrepared:
          if (state_ == S::kPreparing) {
            state_ = S::kReleasing;
            return {F::kSendRelease};
          }
          cut_ = true;
          return give_up({Code::kProtocol, "the taker is prepared for what was not sent"});
        case E::kReleaseSent:
          if (state_ != S::kReleasing) return {};
          state_ = S::kReleased;
          deadline_.reset();
          return {};
        case E::kResumed:
          cut_ = true;
          return give_up({Code::kProtocol, "the taker resumed what was not released"});
        case E::kPeerAborted:
        case E::kSuccessor:
          return take_back(event.reason);
        case E::kChannelClosed:
          // Who closes a link has no group of it (or exits, and that is seen).
          return take_back({Code::kPeerDied, "the taker has closed the link"});
        case E::kRefused:
        case E::kMalformed:
          return give_up(event.reason);
        case E::kTimer:
          return give_up({Code::kTimeout, "the taker was not prepared within the budget"});
        default:
          return {};
      }

    case S::kReleased:
      switch (event.type) {
        case E::kResumed:
          state_ = cut_ ? S::kGone : S::kIdle;
          return {F::kLetGo};
        case E::kPeerAborted:
          // The taker's word that it has not touched and never will touch a session.
          return take_back(event.reason);
        default:
          return {};
      }

    case S::kAborting:
      switch (event.type) {
        case E::kAbortSent:
        case E::kPeerAborted:
        case E::kSuccessor:
        case E::kChannelClosed:
          return take_back(reason_);
        default:
          return {};
      }

    case S::kReadingOut:
      switch (event.type) {
        case E::kResumed:
          resumed_ = true;
          return {};
        case E::kPeerAborted:
          refused_ = true;
          return {};
        case E::kReadOut:
          if (!resumed_ || refused_) return take_back({Code::kPeerDied, "the taker has exited"});
          state_ = S::kGone;
          return {F::kLetGo};
        default:
          return {};
      }

    case S::kGone:
      return {};
  }
  return {};
}

std::string_view name(GiverState state) {
  static constexpr std::string_view kNames[] = {"Idle",     "Sending",  "Preparing",  "Releasing",
                                                "Released", "Aborting", "ReadingOut", "Gone"};
  static_assert(std::size(kNames) == kGiverStates);
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name(GiverEventType type) {
  static constexpr std::string_view kNames[] = {
      "Begun",         "Sent",        "Prepared", "ReleaseSent", "Resumed",
      "AbortSent",     "PeerAborted", "Refused",  "Malformed",   "Successor",
      "ChannelClosed", "PeerExited",  "ReadOut",  "Timer"};
  static_assert(std::size(kNames) == kGiverEvents);
  return kNames[static_cast<std::size_t>(type)];
}

std::string_view name(GiverEffect effect) {
  static constexpr std::string_view kNames[] = {"Freeze", "SendRelease", "SendAbort",
                                                "Thaw",   "LetGo",       "ReadOut"};
  return kNames[static_cast<std::size_t>(effect)];
}

}  // namespace handoff::core
