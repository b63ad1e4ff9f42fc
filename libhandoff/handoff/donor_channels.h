// The lines of one lane of a donor: what this lane has goes over by them, on its own thread, while
// other lanes do the same. Lane 0 decides when; handoff/lane and handoff/donor_lanes ask.
//
// Lane 0's first line is the main channel. Its driver watches and reads it, since what comes by it
// is for the machine. Of the heir's frames by any other line only Acks come here. EOF is no event:
// the main channel and the pidfd say what became of the heir.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "libhandoff/core/lanes.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/handoff/donor_line.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/channel_set.h"

namespace handoff::io {

class DonorChannels : public SessionObserver {
 public:
  struct Part {
    core::Share share;
    Channel channel;
  };

  explicit DonorChannels(Registry& registry) : registry_(registry) {}
  ~DonorChannels() override;
  DonorChannels(const DonorChannels&) = delete;
  DonorChannels& operator=(const DonorChannels&) = delete;

  // Lane 0's, before any other.
  void add_main(Channel channel, bool rehearsal);
  DonorLine& main() { return *lines_.front(); }
  const DonorLine& main() const { return *lines_.front(); }
  Result<void> add(std::vector<Part> parts, const Terms& terms, bool rehearsal);

  // Readable when there is something to hear or to send; none if that is the main channel alone.
  std::optional<int> fd() const;
  // From here on it is on its lane's thread.
  Result<void> begin(Round round);
  // Takes the heir's Acks.
  Result<void> hear();
  // As DonorLine.
  void begin_turn(core::Pace::Turn turn);
  // One frame by each line that has room for it. False: there was none.
  Result<bool> pump();
  // There is more to send at once. Who watches the main channel asks that itself.
  bool more() const;
  // By all lines: the round is sent, whole; the delta is, but for Prepare.
  bool sent() const;
  bool saved() const;
  // No more changes are noted.
  void stop_watching();

  Progress progress() const;
  // Frames of this turn.
  std::uint64_t frames() const;
  // As SessionSender::staying().
  std::vector<std::uint64_t> staying() const;
  // As many of them as a message names.
  std::vector<std::uint64_t> first_staying() const;
  // As SessionSender::closing().
  std::vector<std::uint64_t> closing() const;
  // Of those that can't be moved as many as a message names, and how many there are.
  std::vector<protocol::Unmoved> first_left() const;
  std::vector<std::uint64_t> left_ids() const;
  // As SessionSender; of the sessions that are of this lane.
  void refused(const std::vector<protocol::Refusal>& refusals, bool after_delta);
  // Grows with each sign of life of the heir by other lines than the main channel.
  std::uint64_t signs() const { return signs_; }
  // Of a rehearsal: all that was found out so far.
  protocol::Rehearsed notes() const;

  void session_changed(std::uint64_t id, SessionEntry& entry) override;
  void session_closed(std::uint64_t id, const SessionEntry& entry) override;

 private:
  SessionSender& sender_of(std::uint64_t id);

  Registry& registry_;
  std::vector<std::unique_ptr<DonorLine>> lines_;
  std::vector<DonorLine*> watched_;  // of lines_, by set_
  std::optional<ChannelSet> set_;
  std::uint64_t signs_ = 0;
};

}  // namespace handoff::io
