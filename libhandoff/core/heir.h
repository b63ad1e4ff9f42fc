// The heir's decisions, from its start until it owns the sessions or has to go.
//
// Until the heir has taken the ownership word it owns nothing: after any failure it says so and
// exits. The word lies in memory that donor and heir share, and is taken once. There are two ways
// to become the owner.
//
// After Prepare the heir takes the word when the donor releases it, hangs or is gone. If the donor
// was faster, the sessions are the donor's.
//
// Before Prepare there is no word. If the donor is certainly dead (its exit was seen, and its
// channel is read to the end), the service has crashed. The heir then keeps the sessions whose
// state can't be stale, and resets the others. It does so, too, if the donor took the word and died
// with it. Where the donor has a vault, the heir keeps none and gives up: the vault has all of
// them.
#pragma once

#include <string_view>

#include "libhandoff/core/types.h"

namespace handoff::core {

enum class HeirState : std::uint8_t {
  kWaiting,     // for the donor's Hello
  kReceiving,   // the copy; once it has the listeners, the heir can stand in for a dead donor
  kCopied,      // a round is complete and confirmed
  kRestoring,   // Prepare was complete; the last sessions are restored
  kPrepared,    // Prepared sent; waiting for Release
  kClaiming,    // becomes the owner, if it gets the ownership word
  kFencing,     // the channel closed before Prepare: waiting for the donor's exit
  kReadingOut,  // the donor has exited: its last messages are being read
  kOwner,       // final
  kFailed,      // final: exit, having touched nothing
};
inline constexpr int kHeirStates = 10;

enum class HeirEventType : std::uint8_t {
  kHelloAccepted,
  kRefused,      // this side gives up: negotiation, identity, restore(), Cancel
  kPeerAborted,  // Abort received
  kMalformed,
  kListeners,  // all named fds are here
  kProgress,   // a message of the copy was applied
  kCopyEnd,
  kPrepare,   // Prepare received, and count and checksum are right
  kRestored,  // every session is restored and armed
  kRelease,
  kWon,   // the heir took the ownership word: the sessions are its own
  kLost,  // the donor had taken it
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
  kRestore,  // restore and arm the sessions that are left, then report kRestored
  kSendPrepared,
  kClaim,  // take the ownership word, report kWon or kLost; a second claim answers as the first
  kSendResumed,  // best effort: a donor that does not hear it finds the word taken
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
  // The donor died on the way. mid_copy(): before Prepare was complete, or after it had taken the
  // sessions back.
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
  bool stale_ = false;      // the donor may have changed sessions since it sent them
  bool peer_exited_ = false;
  bool channel_closed_ = false;
  bool donor_died_ = false;
  bool mid_copy_ = false;
};

std::string_view name(HeirState state);
std::string_view name(HeirEventType type);
std::string_view name(HeirEffect effect);

}  // namespace handoff::core
