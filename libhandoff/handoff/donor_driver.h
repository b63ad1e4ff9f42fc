// The donor's shell, around core/donor.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "libhandoff/copy/copier.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/handoff/donor_lanes.h"
#include "libhandoff/handoff/driver.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

class DonorDriver : public Driver<DonorSide> {
 public:
  // Takes the channel and the heir's pidfd.
  DonorDriver(Registry& registry, Poller& poller, Reporter& reporter, HandoffParameters parameters,
              Channel channel, UniqueFd peer, std::vector<Copier::LinkEnd> links,
              std::vector<Lane*> lanes);
  ~DonorDriver() override;

  void start();
  // Around on(): all that is reported in one turn of the loop shares its frames.
  void begin_turn();
  void end_turn();
  void cancel(core::Reason reason);

  bool serving() const { return machine_.serving(); }
  bool finished() const { return machine_.finished(); }
  core::DonorState state() const { return machine_.state(); }

  // Retired, and these sessions were left here: then the channel, if the heir knows what to do with
  // it, and its pidfd are the ends of a link.
  std::uint64_t left() const { return left_; }
  bool stays() const { return left_ > 0 || parameters_.spread != 0; }
  const core::Limits& limits() const { return parameters_.limits; }
  const protocol::Retired& outcome() const { return outcome_; }
  std::optional<Channel> take_channel() { return std::exchange(channel_, std::nullopt); }

 private:
  void read() override;
  void hear_lanes() override;
  void go_on() override;
  void perform(core::DonorEffect effect) override;
  void update_poller() override;
  core::DonorEvent understand(const Channel::Message& message);
  core::DonorEvent greet(std::string_view body);
  bool pump_lanes(bool frozen);
  void hear_acks();
  core::DonorEvent copied(const protocol::Copied& copied) const;
  void begin_delta();
  // Of all lanes and channels.
  std::uint64_t sessions() const { return registry_.sessions.size() + lanes_.sessions(); }
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): asked of a donor that copies
  std::uint64_t at_heir() const { return copier_->at_heir() + lanes_.at_heir(); }
  void send_release();
  void send_abort();
  void finish_retired();
  void report_rehearsal();
  void finish_late();
  std::optional<core::Reason> not_progressive() const;
  bool drains() const { return parameters_.drain_incompatible && registry_.can_hold(); }
  void report(protocol::Phase phase);

  std::optional<Channel> channel_;
  std::optional<Copier> copier_;
  DonorLanes lanes_;  // after copier_, which the channels of lane 0 know
  core::Pace pace_;
  core::Pace::Turn turn_{.frames = 0};      // of the loop; until one begins nothing is sent
  int sent_ = 0;                            // in it, over the main channel
  std::uint64_t lanes_sent_ = 0;            // before it, over lane 0's others
  bool several_ = false;                    // channels; from the two Hellos
  std::optional<protocol::Copied> copied_;  // came before all lanes had said that they are through
  bool saving_ = false;                     // all lanes are frozen
  bool want_write_ = false;
  std::uint64_t started_at_ns_ = 0;
  std::uint64_t frozen_at_ns_ = 0;
  std::uint64_t reported_at_ns_ = 0;
  std::vector<Copier::LinkEnd> links_;
  bool heir_links_ = false;  // it knows what a link is
  std::uint64_t left_ = 0;
  protocol::Retired outcome_;
};

}  // namespace handoff::io
