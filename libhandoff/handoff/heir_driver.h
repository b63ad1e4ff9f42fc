// The heir's shell: turns what happens on the channel, the pidfd and the clock into events for
// core/heir, and its effects into calls. It decides nothing; copy/stage keeps what arrives.
#pragma once

#include <deque>
#include <optional>

#include "libhandoff/copy/stage.h"
#include "libhandoff/core/heir.h"
#include "libhandoff/handoff/deed.h"
#include "libhandoff/handoff/heir_lanes.h"
#include "libhandoff/handoff/shell.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class HeirDriver {
 public:
  // Takes the channel and the donor's pidfd.
  HeirDriver(Registry& registry, Poller& poller, Reporter& reporter, HandoffParameters parameters,
             Channel channel, UniqueFd peer, std::uint64_t fds_max, std::vector<Lane*> lanes);
  ~HeirDriver();
  HeirDriver(const HeirDriver&) = delete;
  HeirDriver& operator=(const HeirDriver&) = delete;

  void start();
  void on(Role role);
  void cancel(core::Reason reason);

  bool owner() const { return heir_.state() == core::HeirState::kOwner; }
  bool failed() const { return heir_.state() == core::HeirState::kFailed; }
  const core::Reason& reason() const { return heir_.reason(); }
  std::uint64_t id() const { return parameters_.id; }
  // For the report to the supervisor, once owner().
  std::uint64_t adopted() const { return adopted_ + lanes_.sessions(); }
  std::uint64_t lost() const;
  std::vector<std::uint64_t> lost_ids() const;
  // All lanes run; the numbers are complete.
  bool settled() const { return lanes_.running(); }
  std::uint64_t frozen_at_ns() const { return frozen_at_ns_; }
  bool donor_died() const { return heir_.donor_died(); }
  // Once owner(): sessions that the donor kept. If it lives, the channel and its pidfd are the ends
  // of a link to it.
  std::uint64_t late() const { return late_; }
  bool leaves_a_link() const { return late_ > 0 || parameters_.spread != 0; }
  std::uint32_t spread() const { return parameters_.spread; }
  Channel take_channel() { return std::move(channel_); }
  UniqueFd take_peer() { return std::move(peer_); }
  // Links to processes that were late before, which the donor passed on.
  std::map<std::string, UniqueFd> take_internal() { return stage_.take_internal(); }

 private:
  void turn(Role role);
  void handle(core::HeirEvent event);
  void attempt(core::HeirEffect effect);
  void perform(core::HeirEffect effect);
  void read_channel(bool to_the_end);
  core::HeirEvent understand(Channel::Message& message);
  core::HeirEvent greet(std::string_view body);
  core::HeirEvent prepare(std::string_view body, const std::vector<UniqueFd>& fds);
  void send_hello();
  void claim();
  void send_resumed();
  void acknowledge(bool now);
  void deliver(core::HeirEvent event);
  void hear_lanes();
  void settle_held();
  void restore();
  void finish_restoring();
  std::uint64_t sessions() const { return stage_.sessions() + lanes_.sessions(); }
  void report_rehearsal();
  // Small messages to a donor that reads: one that does not fit means that it does not.
  void send_or_refuse(protocol::Type type, const std::string& body);
  void update_poller();

  Registry& registry_;
  Poller& poller_;
  Reporter& reporter_;
  HandoffParameters parameters_;
  Channel channel_;
  UniqueFd peer_;
  std::uint64_t fds_max_;
  core::Heir heir_;
  std::optional<Rehearsal> rehearsal_;  // before stage_, which notes into it
  Stage stage_;
  HeirLanes lanes_;
  // Of the main channel, until it is true of the others, too.
  std::optional<core::HeirEvent> held_;       // kCopyEnd or kPrepare
  std::optional<core::HeirEvent> behind_it_;  // kChannelClosed, after a Prepare that is held
  bool reading_out_ = false;
  bool restoring_ = false;
  bool lanes_failed_ = false;  // and it was told
  bool keep_ = false;
  std::uint64_t prepared_sessions_ = 0;  // as Prepare counts them
  std::optional<Deed> deed_;             // from Prepare on
  std::deque<core::HeirEvent> events_;
  bool handling_ = false;
  bool peer_seen_ = false;
  bool channel_done_ = false;
  std::uint64_t acknowledged_ = 0;
  std::uint32_t round_ = 0;
  std::uint64_t donor_sessions_ = 0;
  std::uint64_t frozen_at_ns_ = 0;
  std::uint64_t adopted_ = 0;
  std::uint64_t late_ = 0;
};

}  // namespace handoff::io
