// The donor's shell, around core/donor.
#pragma once

#include <optional>
#include <vector>

#include "libhandoff/core/pace.h"
#include "libhandoff/handoff/donor_lanes.h"
#include "libhandoff/handoff/donor_report.h"
#include "libhandoff/handoff/driver.h"
#include "libhandoff/handoff/forecast.h"
#include "libhandoff/handoff/resting.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/fd_limit.h"

namespace handoff::io {

class DonorDriver : public Driver<DonorSide> {
 public:
  // Takes the channel and the heir's pidfd.
  DonorDriver(Registry& registry, Poller& poller, Reporter& reporter, HandoffParameters parameters,
              Channel channel, UniqueFd peer, std::vector<LinkEnd> links, std::vector<Lane*> lanes);
  ~DonorDriver() override;

  void start();
  // Around on(): all that is reported in one turn of the loop shares its frames.
  void begin_turn();
  void end_turn();
  void cancel(core::Reason reason);

  bool serving() const { return machine_.serving(); }
  // Frozen, and the service's sessions come to rest: its loop turns meanwhile.
  bool resting() const {
    return rest_.under_way() && machine_.state() == core::DonorState::kFrozen;
  }
  bool finished() const { return machine_.finished(); }
  core::DonorState state() const { return machine_.state(); }

  // Retired, and these sessions were left here: then the channel, if the heir knows what to do with
  // it, and its pidfd are the ends of a link.
  std::uint64_t left() const { return left_; }
  bool stays() const { return left_ > 0 || parameters_.spread != 0; }
  // The heir has been sent fds.
  bool shared() { return lanes_.main().service().first_fd_at_ns() != 0; }
  const core::Limits& limits() const { return parameters_.limits; }
  const protocol::Retired& outcome() const { return outcome_; }
  // Of lane 0.
  std::uint64_t lost_here() const {
    return machine_.heir_lost() ? lanes_.own().progress().at_heir : 0;
  }
  std::optional<Channel> take_channel() { return lanes_.main().take_channel(); }
  // Retired: sessions of lane 0 that could not be moved; of all lanes the first, with the reasons.
  std::vector<std::uint64_t> left_behind() const { return lanes_.own().left_ids(); }
  std::vector<protocol::Unmoved> first_left() const { return lanes_.first_left(); }

 private:
  void read() override;
  void hear_lanes() override;
  void go_on() override;
  void perform(core::DonorEffect effect) override;
  void update_poller() override;
  // Resumed: the heir has owned the sessions, and may have served them.
  bool wants_last_words() const override {
    return machine_.state() == core::DonorState::kPreparing ||
           machine_.state() == core::DonorState::kReleased;
  }
  // While what the sections have changed is counted.
  bool has_heard_enough() const override {
    return !machine_.finished() && forecast_ && forecast_->answer;
  }
  // nullopt: nothing for the machine now.
  std::optional<core::DonorEvent> understand(const Channel::Message& message);
  core::DonorEvent greet(std::string_view body);
  core::DonorEvent copied(const protocol::Copied& copied);
  core::DonorEvent prepared(std::string_view body);
  // What the heir does not take. False: it must not say so.
  bool leave(const std::vector<protocol::Refusal>& refused, bool after_delta);
  // What becomes of sessions that can't be moved; heir_links: it knows what a link is.
  core::Means means(bool heir_links) const;
  // Reads what an heir that was not heard in time had said of sessions that it does not take.
  void read_refusals();
  void foresee();
  // Without what is left out.
  Result<protocol::Hello> hello();
  // With the sessions of each kind that there are now.
  std::vector<core::LeftOut> left_out() const;
  // Why sessions of a kind that is left out can't stay; "" if they can.
  std::string no_stay(bool heir_links) const;

  bool sending() const;
  // Sends what there is room for. False: nothing more can be sent in this turn.
  bool send_some();
  bool finish_round();
  void check(const Result<void>& done);
  void start_round();
  void freeze();
  std::optional<core::Time> earlier_deadline() const override {
    return resting() ? rest_.deadline() : std::nullopt;
  }
  void rest();
  void begin_delta();
  void thaw();
  void send_release();
  void send_abort();
  void close_channel();
  void retire();
  void leave_to_vault() const;
  void end_failed();

  DonorLanes lanes_;
  DonorReport report_;
  core::Pace pace_;
  std::optional<protocol::Copied> copied_;  // came before all lanes had said that they are through
  std::optional<Forecast> forecast_;        // of a rehearsal, while it counts
  Resting rest_{registry_};
  bool saving_ = false;  // all lanes are frozen
  bool want_write_ = false;
  std::uint64_t greeted_at_ns_ = 0;
  FdLimit fds_;
  core::Leaving leaving_;
  std::uint64_t frozen_at_ns_ = 0;
  std::vector<LinkEnd> links_;
  bool heir_links_ = false;                               // it knows what a link is
  core::Unmovable unmovable_ = core::Unmovable::kRefuse;  // in force
  bool heir_prepared_ = false;                            // Prepared was read
  std::uint64_t left_ = 0;
  protocol::Retired outcome_;
};

}  // namespace handoff::io
