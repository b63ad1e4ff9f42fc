// A lane of the service but lane 0: an event loop's own sessions, and its side of a handoff. It
// does what lane 0 orders on a board that both share, and reports there; all of it on its thread,
// inside wait() and dispatch().
//
// The happy path of a donor's lane: give() by lane 0, rounds, freeze (dispatch() stays inside from
// here on), the delta, retired(). Of an heir's: take(), receive, restore, run. Whatever fails here
// is reported and waits for the order that ends it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "libhandoff/core/pace.h"
#include "libhandoff/handoff/donor_board.h"
#include "libhandoff/handoff/donor_channels.h"
#include "libhandoff/handoff/heir_board.h"
#include "libhandoff/handoff/heir_channels.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class Lane {
 public:
  static Result<std::unique_ptr<Lane>> make(Declared& declared, std::uint32_t index);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // -- its own thread
  Registry& registry() { return registry_; }
  const Registry& registry() const { return registry_; }
  int fd() const { return poller_.fd(); }
  Result<void> wait(int timeout_ms);
  Result<void> dispatch();
  // By the service: one was opened, touched, or ended.
  void sessions_changed();

  // -- any thread
  std::uint32_t index() const { return index_; }
  int state() const { return state_; }
  // As they were last counted.
  std::uint64_t sessions() const { return sessions_; }
  std::uint64_t untracked() const { return untracked_; }
  std::uint64_t own_fds() const { return own_fds_; }
  const Poller& poller() const { return poller_; }
  // Of all lanes, for a board: first is lane 0's.
  static std::vector<const Poller*> pollers(const Poller& first, const std::vector<Lane*>& others);

  // -- lane 0's thread
  // The service is ready: its owner, or an heir with this board.
  void begin(std::shared_ptr<HeirBoard> board);
  // The heir's ends of its channels.
  void take(std::unique_ptr<HeirChannels> channels);
  // A handoff in which it is the donor.
  void give(std::shared_ptr<DonorBoard> board, std::unique_ptr<DonorChannels> channels);
  void stop(std::uint64_t deadline_us);
  // A process that shares this lane's sockets closes its fds, or has gone.
  void look();

 private:
  Lane(Declared& declared, std::uint32_t index, Poller poller)
      : registry_(declared), index_(index), poller_(std::move(poller)) {}

  // What lane 0 has put here since the last look.
  struct Inbox {
    std::shared_ptr<HeirBoard> heir;
    std::unique_ptr<HeirChannels> take;
    std::shared_ptr<DonorBoard> donor;
    std::unique_ptr<DonorChannels> give;
    std::optional<std::uint64_t> stop;
    bool look = false;
  };
  template <class Change>
  void post(Change&& change);

  void turn();
  bool open_inbox();
  void donor_turn();
  void copy(std::uint32_t round);
  Result<void> pump(DonorBoard::Order order);
  void freeze();
  void hear_acks();
  void save(const DonorBoard::Orders& orders);
  void over();
  void retire(const DonorBoard::Orders& orders);
  void heir_turn();
  void receive(HeirBoard::Order order);
  void tell_refused(HeirBoard::Standing& standing);
  void restore();
  void run(const HeirBoard::Orders& orders);
  void go(const std::string& why);
  void refuse(const core::Reason& reason);
  void watch(std::optional<int> channels);

  Registry registry_;
  const std::uint32_t index_;
  Poller poller_;
  std::atomic<int> state_ = HANDOFF_STATE_DECLARING;
  std::atomic<std::uint64_t> sessions_ = 0;
  std::atomic<std::uint64_t> untracked_ = 0;
  std::atomic<std::uint64_t> own_fds_ = 0;
  std::mutex mutex_;
  Inbox inbox_;  // under mutex_

  // At most one of them.
  std::shared_ptr<DonorBoard> donor_;
  std::shared_ptr<HeirBoard> heir_;
  std::unique_ptr<DonorChannels> giving_;
  std::unique_ptr<HeirChannels> taking_;
  core::Pace pace_;
  std::uint32_t round_ = 0;
  bool frozen_ = false;
  NonblockingLook look_;  // at what another process has let go of
  bool saving_ = false;
  bool restored_ = false;
  bool failed_ = false;  // and said so
  std::string why_;      // the handoff to this heir failed
};

}  // namespace handoff::io
