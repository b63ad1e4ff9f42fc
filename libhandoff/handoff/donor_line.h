// A channel of the handoff, and what the donor sends over it: the sessions of its share, and over
// line 0, the main channel, what the service has once.
//
// A round over line 0: what goes before the sessions, sessions, chunks, CopyEnd or Prepare. Over
// any other line: sessions, CopyEnd or LanePrepare. Prepare counts the sessions of all lines, so it
// is held until they have sent theirs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "libhandoff/copy/frame_sender.h"
#include "libhandoff/copy/progress.h"
#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/ring_sender.h"
#include "libhandoff/copy/round.h"
#include "libhandoff/copy/service_sender.h"
#include "libhandoff/copy/session_sender.h"
#include "libhandoff/core/lanes.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

class DonorLine {
 public:
  DonorLine(Registry& registry, Channel channel, bool rehearses);
  DonorLine(const DonorLine&) = delete;
  DonorLine& operator=(const DonorLine&) = delete;

  // Makes it line 0.
  void add_service(Registry& registry) { service_.emplace(registry, frames_, ring_); }
  ServiceSender& service() { return *service_; }
  const ServiceSender& service() const { return *service_; }
  // Before begin(kFirst).
  void set_terms(const Terms& terms, core::Share share);

  // There is one until it is closed or taken.
  Channel& channel() { return *channel_; }
  std::optional<int> fd() const;
  void close() { channel_.reset(); }
  std::optional<Channel> take_channel() { return std::exchange(channel_, std::nullopt); }
  // An Ack. An Error if it makes no sense.
  Result<void> acknowledge(std::string_view body);
  // Takes the Acks that are there, and says how many. Not for line 0, by which more than Acks
  // comes.
  Result<std::uint64_t> hear();
  // The heir has closed the channel.
  bool ended() const { return ended_; }

  Result<void> begin(Round round);
  // A turn of the loop: what it may send in it, while the donor serves. In the freeze a turn has no
  // bound.
  void begin_turn(core::Pace::Turn turn);
  // Sends the next frame. After the last of a round: kDone.
  Result<Pumped> pump();
  // Line 0, with kHeld: what Prepare says. Borrows deed.
  void prepare(const protocol::Prepare& prepare, int deed);

  // Rounds begun, the delta among them.
  std::uint32_t round() const { return round_; }
  // The round is sent, whole.
  bool sent() const { return part_ == Part::kDone; }
  // So is the delta, but for Prepare.
  bool saved() const { return sent() || last_ == Pumped::kHeld; }
  // The socket is full.
  bool blocked() const { return last_ == Pumped::kBlocked; }
  // The turn was too short.
  bool cut_short() const { return last_ == Pumped::kTurn; }
  // Frames of this turn.
  std::uint64_t frames() const { return frames_of_turn_; }

  core::Share share() const { return sessions_.share(); }
  SessionSender& sessions() { return sessions_; }
  const SessionSender& sessions() const { return sessions_; }
  Progress progress() const;
  // Of a rehearsal.
  const std::optional<Rehearsal>& rehearsal() const { return rehearsal_; }

 private:
  enum class Part : std::uint8_t { kFirst, kSessions, kChunks, kEnd, kDone };

  Result<Pumped> next();
  Result<Pumped> send_end();
  Result<Pumped> send_prepare();

  std::optional<Channel> channel_;
  std::optional<Rehearsal> rehearsal_;  // before sessions_, which notes into it
  FrameSender frames_;
  RingSender ring_;
  SessionSender sessions_;
  std::optional<ServiceSender> service_;  // of line 0
  bool ended_ = false;
  Part part_ = Part::kDone;
  Round kind_of_round_ = Round::kFirst;
  std::uint32_t round_ = 0;
  Pumped last_ = Pumped::kDone;
  int frames_left_ = 0;  // of this turn
  std::uint64_t frames_of_turn_ = 0;
  std::optional<protocol::Prepare> prepare_;  // once it need not be held
  int deed_ = -1;
};

}  // namespace handoff::io
