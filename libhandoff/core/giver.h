// One side's decisions about a group of sessions that it gives over a link (PROTOCOL.md, "The
// link"): a handoff in small, beside sessions that go on, between two processes that are each
// somebody's owner. So nobody ends the other: who is in doubt waits, and only the group waits.
//
// From kFreeze on the sessions of the group are touched by nobody here. They are taken up again
// when the taker can't have them: a GroupAbort of ours is in its buffer, or it said one itself, or
// it has exited without GroupResumed. Released and silent is no such case.
//
// A taker that finds this process dead keeps what it has been sent whole, unless a GroupAbort came:
// that is why the sessions may not be taken up before the abort is in its buffer.
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
  kReadingOut,  // the taker has exited: what it said last is being read
  kGone,        // final: nothing can be given over this link any more
};
inline constexpr int kGiverStates = 8;

enum class GiverEventType : std::uint8_t {
  kBegun,     // there is a group to give
  kSent,      // it and GroupPrepare are in the taker's buffer
  kPrepared,  // GroupPrepared received
  kReleaseSent,
  kResumed,      // GroupResumed received
  kAbortSent,    // GroupAbort is in the taker's buffer
  kPeerAborted,  // GroupAbort received
  kRefused,      // a local reason to give up: save(), the link is to rest
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
  bool cut_ = false;      // nothing new over this link
  bool resumed_ = false;  // found after the taker's exit
  bool refused_ = false;  // likewise GroupAbort
};

std::string_view name(GiverState state);
std::string_view name(GiverEventType type);
std::string_view name(GiverEffect effect);

}  // namespace handoff::core
