// The heir's shell, around core/heir. The receivers of copy/ keep what arrives.
//
// What the main channel says of a round or of the delta is told to the machine once it is true of
// all lines of all lanes.
#pragma once

#include <optional>

#include "libhandoff/copy/service_receiver.h"
#include "libhandoff/handoff/driver.h"
#include "libhandoff/handoff/heir_lanes.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

class HeirDriver : public Driver<HeirSide> {
 public:
  // Takes the channel and the donor's pidfd.
  HeirDriver(Registry& registry, Poller& poller, Reporter& reporter, HandoffParameters parameters,
             Channel channel, UniqueFd peer, std::vector<Lane*> lanes);
  ~HeirDriver() override;

  void start();
  void cancel(core::Reason reason);

  bool owner() const { return machine_.state() == core::HeirState::kOwner; }
  bool failed() const { return machine_.state() == core::HeirState::kFailed; }
  const core::Reason& reason() const { return machine_.reason(); }
  // For the report to the supervisor, once owner().
  std::uint64_t adopted() const { return lanes_.sessions(); }
  std::uint64_t lost() const;
  std::vector<std::uint64_t> lost_ids() const { return lanes_.lost_ids(); }
  // All lanes run; the numbers are complete.
  bool settled() const { return lanes_.running(); }
  std::uint64_t frozen_at_ns() const { return frozen_at_ns_; }
  bool donor_died() const { return machine_.donor_died(); }
  // Once owner(): sessions that the donor has, to keep or to reset; among them those that this side
  // has refused after the delta.
  std::uint64_t kept() const { return late_ + closing_ + left_to_donor_; }
  std::vector<std::uint64_t> kept_ids() const;  // the first of them
  // Once owner(): if the donor lives, the channel and its pidfd are the ends of a link to it.
  bool leaves_a_link() const {
    return late_ > 0 || parameters_.spread != 0 || (left_to_donor_ > 0 && they_stay_);
  }
  Channel take_channel() { return std::move(lanes_.main().channel()); }
  // Links to processes that were late before, which the donor passed on.
  std::map<std::string, UniqueFd> take_internal() { return service_.take_internal(); }

 private:
  void read() override { read_channel(false); }
  void hear_lanes() override;
  void go_on() override { hear_lanes(); }
  void perform(core::HeirEffect effect) override;
  void update_poller() override;
  void read_channel(bool to_the_end);
  // nullopt: nothing for the machine but what tell_what_is_complete() finds.
  std::optional<core::HeirEvent> understand(Channel::Message& message);
  core::HeirEvent greet(std::string_view body);
  // fds: how many the donor may have open; 0 if it does not say.
  void make_room(std::uint64_t fds);
  Result<void> prepare(std::string_view body, const std::vector<UniqueFd>& fds);
  bool copying() const {
    return machine_.state() == core::HeirState::kReceiving ||
           machine_.state() == core::HeirState::kCopied;
  }
  void acknowledge(bool now);
  void tell_what_is_complete();
  void send_hello();
  void send_copied();
  void send_prepared();
  // Takes what was refused since the last time. nullopt: so much is that the handoff ends.
  std::optional<std::vector<protocol::Refusal>> refusals();
  void send_resumed();
  void send_abort();
  void read_out();
  void finish_reading_out();
  void restore();
  void finish_restoring();
  // What other threads have said of restores that were answered with HANDOFF_LATER.
  void hear_restored();
  std::optional<core::Time> earlier_deadline() const override;
  void keep_unmoved();
  void run();
  void fence();
  void go();
  void report_rehearsal();
  // Small messages to a donor that reads: one that does not fit means that it does not.
  void send_or_refuse(protocol::Type type, const std::string& body);

  ServiceReceiver service_;  // by the main channel
  HeirLanes lanes_;
  // As the machine knows them.
  std::uint32_t round_ = 0;
  bool prepared_ = false;
  bool closed_behind_ = false;  // behind a Prepare that the machine does not know yet
  bool reading_out_ = false;
  bool restoring_ = false;
  core::Time restored_by_ = 0;  // what is not is refused
  bool gave_up_ = false;        // and it was
  bool lanes_failed_ = false;   // and it was told
  bool keep_ = false;
  std::uint64_t prepared_sessions_ = 0;  // as Prepare counts them
  std::uint64_t donor_sessions_ = 0;
  std::uint64_t heard_at_ns_ = 0;     // the donor's Hello
  std::uint64_t frozen_at_ns_ = 0;    // by the donor's clock
  std::uint64_t prepared_at_ns_ = 0;  // Prepare
  std::string first_refusal_;
  std::size_t reasons_told_ = 0;
  bool they_stay_ = false;  // what is refused stays with the donor, else the donor resets it
  std::uint64_t left_to_donor_ = 0;
  std::uint64_t late_ = 0;
  std::uint64_t closing_ = 0;
  std::vector<std::uint64_t> kept_ids_;  // as Prepare names both
  std::vector<std::uint64_t> left_ids_;  // as Prepared does
};

}  // namespace handoff::io
