// The donor's decisions, from Start until it is retired or serves on.
//
// While the donor serves, it owns every session, and any failure has one answer: tell the heir,
// serve on. Once the donor is frozen, the ownership word decides: a word in memory that both share
// and that is taken once. A donor that gives up must take the word first. If the heir was faster,
// the sessions are the heir's, whatever the messages say. If not, the sessions are the donor's for
// good, and the heir finds the word taken.
//
// PROTOCOL.md ("The donor") has the states and their deadlines as a table. The channel may be
// closed only in the effect CloseChannel: to an heir that waits for Prepare, a closed channel means
// that the donor is dead.
#pragma once

#include <string_view>

#include "libhandoff/core/convergence.h"
#include "libhandoff/core/types.h"

namespace handoff::core {

enum class DonorState : std::uint8_t {
  kGreeting,        // Hello sent; serving
  kCopying,         // sending a round; serving
  kAwaitingCopied,  // the round is sent; serving
  kFrozen,          // saving and sending the delta
  kPreparing,       // Prepare sent
  kReleasing,       // Release is being sent
  kReleased,        // Release sent: the heir may take the sessions at any moment
  kClaiming,        // gives up, if it gets the ownership word
  kAborting,        // gave up; telling the heir
  kAbortFencing,    // gave up before Prepare, and can't tell the heir: waiting for its exit
  kRetired,         // final: the heir owns the sessions
  kServing,         // final: the handoff failed, the donor serves on
};
inline constexpr int kDonorStates = 12;

enum class DonorEventType : std::uint8_t {
  kHelloAccepted,  // the heir's Hello, and negotiation succeeded
  kRefused,        // this side gives up: negotiation, save(), a send that failed, Cancel
  kPeerAborted,    // Abort received
  kMalformed,      // the heir sent what it must not
  kProgress,       // an Ack: the heir lives
  kRoundSent,      // CopyEnd of this round is sent
  kCopied,         // Copied received for this round
  kDeltaSent,      // all that changed, and Prepare, are sent
  kPrepared,       // Prepared received
  kReleaseSent,
  kResumed,          // Resumed received
  kAbortSent,        // the Abort is in the heir's buffer
  kAbortUnsendable,  // the Abort can't be put there
  kChannelClosed,    // EOF, after everything before it was read
  kPeerExited,       // the heir has exited, by its pidfd
  kWon,              // the donor took the ownership word
  kLost,             // the heir had taken it: the sessions are the heir's
  kTimer,            // the deadline has passed
};
inline constexpr int kDonorEvents = 18;

struct DonorEvent {
  DonorEventType type;
  Reason reason = {};          // kRefused, kPeerAborted, kMalformed
  std::uint64_t dirty = 0;     // kCopied: sessions to be saved again
  std::uint64_t sessions = 0;  // kCopied: all that the donor has
  // kCopied: what sections gave in this round, and how long it took since the first was asked.
  std::uint64_t section_bytes = 0;
  Duration copying = 0;
  std::uint64_t large_bytes = 0;  // kCopied: of large sessions, in this round
};

enum class DonorEffect : std::uint8_t {
  kStartRound,  // send (again) what is new or changed, while serving
  kFreeze,      // stop touching sockets; then save and send the delta and Prepare
  kSendRelease,
  kClaim,  // take the ownership word, report kWon or kLost; a second claim answers as the first
  kThaw,   // use the sockets again
  kSendAbort,
  kFence,  // end the heir: SIGKILL by its pidfd
  kCloseChannel,
  kRetire,        // let go of every session
  kReportFailed,  // tell the supervisor: reason()
};

class Donor {
 public:
  explicit Donor(Limits limits) : limits_(limits) {}

  // Call once, before anything else: the caller sends Hello.
  void start(Time now) { arm(now, limits_.stall); }
  std::vector<DonorEffect> step(const DonorEvent& event, Time now);

  DonorState state() const { return state_; }
  bool finished() const { return state_ == DonorState::kRetired || state_ == DonorState::kServing; }
  // The donor may touch its sockets.
  bool serving() const;
  // With kRetired: the heir had taken the sessions and has died, so nobody has them.
  bool heir_lost() const { return heir_lost_; }
  std::optional<Time> deadline() const { return deadline_; }
  const Reason& reason() const { return reason_; }
  std::uint32_t round() const { return round_; }
  Time round_begun() const { return round_begun_; }
  Time frozen_at() const { return frozen_at_; }

  // Where the copy of sessions ends: freeze once what is left is small or more rounds do not help.
  static bool another_round(std::uint32_t round, std::uint64_t dirty, std::uint64_t before);
  // And that of sections.
  const Convergence& sections() const { return sections_; }

  friend bool operator==(const Donor&, const Donor&) = default;

 private:
  using Effects = std::vector<DonorEffect>;
  Effects give_up(Reason reason, bool tell, Time now);
  Effects serve_on(bool frozen);
  Effects retire();
  // The last fifth of the budget is the heir's, for Resumed: a donor that released at the last
  // moment would take the sessions back from an heir that is just about to serve.
  Duration until_release() const { return limits_.budget / 5 * 4; }
  void arm(Time now, Duration after) { deadline_ = now + after; }
  std::string what_was_awaited() const;

  Limits limits_;
  DonorState state_ = DonorState::kGreeting;
  std::optional<Time> deadline_;
  Reason reason_;
  std::uint32_t round_ = 0;
  std::uint64_t last_dirty_ = 0;
  Convergence sections_;
  Convergence large_;  // sessions
  Time round_begun_ = 0;
  Time frozen_at_ = 0;
  bool peer_exited_ = false;
  bool prepare_sent_ = false;
  bool tell_ = false;  // the heir waits for an answer: send Abort once the word is won
  bool heir_lost_ = false;
};

std::string_view name(DonorState state);
std::string_view name(DonorEventType type);
std::string_view name(DonorEffect effect);

}  // namespace handoff::core
