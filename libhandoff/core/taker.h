// The receiver's decisions about a group of sessions that it gets over a link; core/giver has the
// sender's.
//
// The group is the taker's once it is released, or once the giver has exited and the channel, read
// to its end, holds no GroupAbort. Nobody touched the sessions after they were saved, so each one
// that came whole is good then, also without GroupPrepare. The taker waits for a giver that is
// silent, and for one that runs and has closed the channel.
#pragma once

#include <string_view>

#include "libhandoff/core/types.h"

namespace handoff::core {

enum class TakerState : std::uint8_t {
  kIdle,
  kReceiving,
  kRestoring,   // GroupPrepare received
  kPrepared,    // GroupPrepared sent
  kResuming,    // GroupResumed is being sent
  kReadingOut,  // the giver has exited: its last messages are being read
  kGone,        // final: nothing comes over this link any more
};
inline constexpr int kTakerStates = 7;

enum class TakerEventType : std::uint8_t {
  kSessions,     // some of the group's sessions are here
  kPrepare,      // GroupPrepare received, and its count and checksum are right
  kRestored,     // all sessions of the group are restored and armed
  kRelease,      // GroupRelease received
  kResumedSent,  // GroupResumed is in the giver's buffer
  kPeerAborted,  // GroupAbort received
  kRefused,      // this side gives up: restore(), fds, not the owner
  kMalformed,
  kChannelClosed,
  kPeerExited,
  kReadOut,
};
inline constexpr int kTakerEvents = 11;

struct TakerEvent {
  TakerEventType type;
  Reason reason = {};
};

enum class TakerEffect : std::uint8_t {
  kRestore,  // restore the sessions that are left, then report kRestored or kRefused
  kSendPrepared,
  kSendResumed,
  kAdopt,      // the group is ours
  kKeepWhole,  // the giver is dead: restore what came whole, reset the rest, own the group
  kDrop,       // close our copies of the group's sockets, no more
  kSendAbort,
  kReadOut,  // read the channel to its end, then report kReadOut
};

class Taker {
 public:
  std::vector<TakerEffect> step(const TakerEvent& event);

  TakerState state() const { return state_; }
  bool idle() const { return state_ == TakerState::kIdle || state_ == TakerState::kGone; }
  const Reason& reason() const { return reason_; }

  friend bool operator==(const Taker&, const Taker&) = default;

 private:
  using Effects = std::vector<TakerEffect>;
  Effects refuse(Reason reason);

  TakerState state_ = TakerState::kIdle;
  Reason reason_;
  bool staged_ = false;  // while reading out: parts of a group have come
};

std::string_view name(TakerState state);
std::string_view name(TakerEventType type);
std::string_view name(TakerEffect effect);

}  // namespace handoff::core
