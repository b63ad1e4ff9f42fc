// The sender's decisions about a group of sessions that it gives over a link (PROTOCOL.md, "The
// link"). A group is a small handoff beside sessions that go on. Both processes own sessions, so
// neither may end the other: a side in doubt waits, and only the group waits with it.
//
// From kFreeze on nobody here touches the sessions of the group. The giver takes them up again only
// when the taker can't have them: the giver's GroupAbort is in the taker's buffer, the taker has
// sent one, or the taker has exited without GroupResumed. A taker that is silent after GroupRelease
// may have them.
//
// A taker that finds the giver dead keeps each session that came whole, unless a GroupAbort came.
// So the giver may not take up the sessions before its abort is in the taker's buffer.
#pragma once

#include <string_view>

#include "libhandoff/core/types.h"

namespace handoff::core {

enum class GiverState : std::uint8_t {
  kIdle,
  kSending,     // the group is frozen, saved and being sent
  kPreparing,   // GroupPrepare sent
  kReleasing,   // GroupRelease is being sent
  kReleased,    // the group is the taker's, unless it ends without a GroupResumed
  kAborting,    // gave the group up; GroupAbort is being sent
  kReadingOut,  // the taker has exited: its last messages are being read
  kGone,        // final: this link takes nothing any more
};
inline constexpr int kGiverStates = 8;

enum class GiverEventType : std::uint8_t {
  kBegun,     // there is a group to give
  kSent,      // the group and GroupPrepare are in the taker's buffer
  kPrepared,  // GroupPrepared received
  kReleaseSent,
  kResumed,      // GroupResumed received
  kAbortSent,    // GroupAbort is in the taker's buffer
  kPeerAborted,  // GroupAbort received
  kRefused,      // this side gives up: save(), the link is to rest
  kMalformed,
  kSuccessor,      // another process is at the other end, and this group never reached it
  kChannelClosed,  // EOF
  kPeerExited,
  kReadOut,
  kTimer,
};
inline constexpr int kGiverEvents = 14;

struct GiverEvent {
  GiverEventType type;
  Reason reason = {};
};

enum class GiverEffect : std::uint8_t {
  kFreeze,  // stop touching the group's sessions; save and send them, and GroupPrepare
  kSendRelease,
  kSendAbort,
  kThaw,     // the group is ours again
  kLetGo,    // the group is the taker's
  kReadOut,  // read the channel to its end, then report kReadOut
};

class Giver {
 public:
  explicit Giver(Limits limits) : limits_(limits) {}

  std::vector<GiverEffect> step(const GiverEvent& event, Time now);

  GiverState state() const { return state_; }
  // No group is under way.
  bool idle() const { return state_ == GiverState::kIdle || state_ == GiverState::kGone; }
  std::optional<Time> deadline() const { return deadline_; }
  const Reason& reason() const { return reason_; }

  friend bool operator==(const Giver&, const Giver&) = default;

 private:
  using Effects = std::vector<GiverEffect>;
  Effects give_up(Reason reason);
  Effects take_back(Reason reason);
  Effects read_out();

  Limits limits_;
  GiverState state_ = GiverState::kIdle;
  std::optional<Time> deadline_;
  Reason reason_;
  bool cut_ = false;      // the link takes no new group
  bool resumed_ = false;  // a GroupResumed was read after the taker's exit
  bool refused_ = false;  // a GroupAbort was
};

std::string_view name(GiverState state);
std::string_view name(GiverEventType type);
std::string_view name(GiverEffect effect);

}  // namespace handoff::core
