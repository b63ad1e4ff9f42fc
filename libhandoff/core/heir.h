// The heir's decisions, from its start until it owns the sessions or has to go.
//
// Until it has taken the deed the heir owns nothing: whatever goes wrong, it says so and exits. It
// becomes the owner in one of two ways. After Prepare, when the donor releases it, hangs or is
// gone, it takes the deed, a word that both share and that is taken once; if the donor was faster,
// the sessions are the donor's. Before Prepare there is no deed: the donor's certain death (its
// exit was seen, and its channel is read to the end) is a crash of the service, and the heir keeps
// what it can without ever serving a stale state; so it does if the donor took the deed and died
// with it.
#pragma once

#include <string_view>

#include "libhandoff/core/types.h"

namespace handoff::core {

enum class HeirState : std::uint8_t {
  kWaiting,     // for the donor's Hello
  kReceiving,   // the copy; from the Listeners on the heir can stand in for a donor that dies
  kCopied,      // a round is complete and confirmed
  kRestoring,   // Prepare was complete; the last sessions are restored
  kPrepared,    // Prepared sent; waiting for Release
  kClaiming,    // owner, if the deed can be had
  kFencing,     // the channel closed before Prepare: waiting for the donor's exit
  kReadingOut,  // it has exited: what it said last is being read
  kOwner,       // final
  kFailed,      // final: exit, having touched nothing
};
inline constexpr int kHeirStates = 10;

enum class HeirEventType : std::uint8_t {
  kHelloAccepted,
  kRefused,      // a local reason to give up: negotiation, identity, restore(), Cancel
  kPeerAborted,  // Abort received
  kMalformed,
  kListeners,  // all named fds are here
  kProgress,   // a message of the copy was applied
  kCopyEnd,
  kPrepare,   // Prepare received, and count and checksum are right
  kRestored,  // every session is restored and armed
  kRelease,
  kWon,   // the deed is the heir's, and so are the sessions
  kLost,  // the donor took it back
  kChannelClosed,
  kPeerExited,
  kReadOut,
  kTimer,
};
inline constexpr int kHeirEvents = 16;

struct HeirEvent {
  HeirEventType type;
  Reason reason = {};
};

enum class HeirEffect : std::uint8_t {
  kSendHello,
  kSendCopied,
  kRestore,  // restore and arm what is not yet, then report kRestored
  kSendPrepared,
  kClaim,        // take the deed, then report kWon or kLost; again, it gives the same
  kSendResumed,  // if it can be sent: the donor would find out without it
  kKeepUnmoved,  // the donor crashed in mid-copy: keep the independent sessions whose sockets
                 // have not moved, reset the others, empty the sections
  kRun,          // the sockets are ours
  kSendAbort,
  kFence,
  kReadOut,  // read the channel to its end, then report kReadOut
  kGo,       // drop everything, report reason(), exit
};

class Heir {
 public:
  explicit Heir(Limits limits) : limits_(limits) {}

  void start(Time now) { arm(now, limits_.stall); }
  std::vector<HeirEffect> step(const HeirEvent& event, Time now);

  HeirState state() const { return state_; }
  bool finished() const { return state_ == HeirState::kOwner || state_ == HeirState::kFailed; }
  // The donor died on the way; with mid_copy(), before Prepare was complete, or after it had taken
  // the sessions back.
  bool donor_died() const { return donor_died_; }
  bool mid_copy() const { return mid_copy_; }
  std::optional<Time> deadline() const { return deadline_; }
  const Reason& reason() const { return reason_; }

  friend bool operator==(const Heir&, const Heir&) = default;

 private:
  using Effects = std::vector<HeirEffect>;
  Effects give_up(Reason reason, bool tell);
  Effects spoilt(Reason reason, bool tell, Time now);
  Effects donor_gone();
  Effects claim(Time now);
  Effects won();
  Effects lost();
  Effects keep();
  void arm(Time now, Duration after) { deadline_ = now + after; }

  Limits limits_;
  HeirState state_ = HeirState::kWaiting;
  std::optional<Time> deadline_;
  Reason reason_;
  bool listeners_ = false;  // all named fds are here
  bool prepared_ = false;   // Prepare was complete
  bool stale_ = false;      // what is here may not be what the donor had last
  bool peer_exited_ = false;
  bool channel_closed_ = false;
  bool donor_died_ = false;
  bool mid_copy_ = false;
};

std::string_view name(HeirState state);
std::string_view name(HeirEventType type);
std::string_view name(HeirEffect effect);

}  // namespace handoff::core
