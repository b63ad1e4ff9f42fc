// A lane of the service but lane 0: an event loop's own sessions, and its side of a handoff. It
// does what lane 0 orders on a board that both share, and reports there; all of it on its thread,
// inside wait() and dispatch().
//
// The happy path of a donor's lane: give() by lane 0, rounds, freeze (dispatch() stays inside from
// here on), the delta, retired(). Of an heir's: take(), receive, restore, run. Whatever fails here
// is reported and waits for the order that ends it. A lane of a late process goes on after the
// handoff: lane 0 gives it ways and the drain, and sums up where the lanes stand.
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
#include "libhandoff/handoff/resting.h"
#include "libhandoff/link/links.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class Lane {
 public:
  // Borrows lane 0's poller, to wake it.
  static Result<std::unique_ptr<Lane>> make(Declared& declared, std::uint32_t index,
                                            const Poller& first);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // -- its own thread
  Registry& registry() { return registry_; }
  const Registry& registry() const { return registry_; }
  int fd() const { return poller_.fd(); }
  Result<void> wait(int timeout_ms);
  Result<void> dispatch();
  // By the service: one was opened, released, or has ended.
  void sessions_changed();
  void count_sessions();

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
  void open(Way way);
  void ways_come(bool yes);
  void drain(const protocol::Drain& order);
  // The process is late, and nothing is left in any lane.
  void retire_late();
  // A late process's lane.
  struct Late {
    protocol::Late standing;
    bool told = false;  // it has said where it stands
    bool done = false;  // nothing is left
  };
  Late late() const;
  // late() is another one than when this was asked last.
  bool take_late_news();

 private:
  Lane(Declared& declared, std::uint32_t index, Poller poller, const Poller& first)
      : registry_(declared), index_(index), poller_(std::move(poller)), first_(first) {}

  // What lane 0 has put here since the last look.
  struct Inbox {
    std::shared_ptr<HeirBoard> heir;
    std::unique_ptr<HeirChannels> take;
    std::shared_ptr<DonorBoard> donor;
    std::unique_ptr<DonorChannels> give;
    std::optional<std::uint64_t> stop;
    bool look = false;
    std::vector<Way> ways;
    std::optional<bool> ways_come;
    std::optional<protocol::Drain> drain;
    bool retire = false;
  };
  template <class Change>
  void post(Change&& change) {
    {
      const std::lock_guard lock(mutex_);
      change(inbox_);
    }
    poller_.wake();
  }

  void turn(const std::vector<Role>& roles);
  bool open_inbox();
  void open_ways(std::vector<Way> ways);
  void turn_links(const std::vector<Role>& roles);
  void tell_late();
  void watch_links(bool watch);
  void donor_turn();
  void copy(std::uint32_t round);
  Result<void> pump(DonorBoard::Order order);
  void freeze(const DonorBoard::Orders& orders);
  void rest();
  void hear_told();
  void hear_acks();
  void save(const DonorBoard::Orders& orders);
  void over();
  void retire(const DonorBoard::Orders& orders);
  void stay(const DonorBoard::Orders& orders);
  std::vector<std::uint64_t> reset_closing(const DonorBoard::Orders& orders);
  void heir_turn();
  void receive(HeirBoard::Order order);
  void tell_refused(HeirBoard::Standing& standing);
  void hear_restored();
  void restore();
  void finish_restoring(bool give_up);
  void run(const HeirBoard::Orders& orders);
  void go(const std::string& why);
  void refuse(const core::Reason& reason);
  void watch(std::optional<int> channels);

  Registry registry_;
  const std::uint32_t index_;
  Poller poller_;
  const Poller& first_;           // lane 0's
  std::unique_ptr<Links> links_;  // this lane's ways
  std::atomic<int> state_ = HANDOFF_STATE_DECLARING;
  std::atomic<std::uint64_t> sessions_ = 0;
  std::atomic<std::uint64_t> untracked_ = 0;
  std::atomic<std::uint64_t> own_fds_ = 0;
  mutable std::mutex mutex_;
  Inbox inbox_;  // under mutex_, as late_ and late_news_
  Late late_;
  bool late_news_ = false;
  std::uint64_t lost_ = 0;  // of a late process: by an heir that has died

  // At most one of them.
  std::shared_ptr<DonorBoard> donor_;
  std::shared_ptr<HeirBoard> heir_;
  std::unique_ptr<DonorChannels> giving_;
  std::unique_ptr<HeirChannels> taking_;
  core::Pace pace_;
  std::uint32_t round_ = 0;
  bool frozen_ = false;
  Resting rest_{registry_};
  NonblockingLook look_;  // at what another process has let go of
  bool saving_ = false;
  bool restoring_ = false;
  bool restored_ = false;  // and said so
  bool failed_ = false;    // and said so
  std::string why_;        // the handoff to this heir failed
};

}  // namespace handoff::io
