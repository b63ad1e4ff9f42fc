// What the shells of donor and heir have in common. Each turns what happens on the channel, the
// pidfd and the clock into events for its machine of core/, and the machine's effects into calls.
// Neither decides anything.
#pragma once

#include <deque>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/core/donor.h"
#include "libhandoff/core/heir.h"
#include "libhandoff/handoff/ownership_word.h"
#include "libhandoff/handoff/shell.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/poller.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

struct DonorSide {
  using Machine = core::Donor;
  using Event = core::DonorEvent;
  using What = core::DonorEventType;
  using Effect = core::DonorEffect;
  static constexpr OwnershipWord::Party kParty = OwnershipWord::Party::kDonor;
  static constexpr failpoint::Step kBeforeClaim{"donor.claim.before"};
  static constexpr failpoint::Step kAfterClaim{"donor.claim.after"};
};

struct HeirSide {
  using Machine = core::Heir;
  using Event = core::HeirEvent;
  using What = core::HeirEventType;
  using Effect = core::HeirEffect;
  static constexpr OwnershipWord::Party kParty = OwnershipWord::Party::kHeir;
  static constexpr failpoint::Step kBeforeClaim{"heir.claim.before"};
  static constexpr failpoint::Step kAfterClaim{"heir.claim.after"};
};

template <class Side>
class Driver {
 public:
  using Event = typename Side::Event;
  using What = typename Side::What;
  using Effect = typename Side::Effect;

  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // What the poller reported. Calls to the service may follow.
  void on(Role role) {
    try {
      turn(role);
    } catch (const std::bad_alloc&) {
      handling_ = false;  // wherever it came from
      handle({What::kRefused, out_of_memory()});
    }
    update_poller();
  }

  std::uint64_t id() const { return parameters_.id; }
  std::uint32_t spread() const { return parameters_.spread; }
  UniqueFd take_peer() { return std::move(peer_); }
  int peer() const { return peer_.get(); }  // borrowed

 protected:
  Driver(Registry& registry, Poller& poller, Reporter& reporter, HandoffParameters parameters,
         UniqueFd peer)
      : registry_(registry),
        poller_(poller),
        reporter_(reporter),
        parameters_(parameters),
        peer_(std::move(peer)),
        machine_(parameters.limits),
        rehearsal_(parameters.limits.rehearsal ? std::make_optional<Rehearsal>() : std::nullopt) {}
  virtual ~Driver() = default;

  // Reads what the peer has sent, and hands it to the machine.
  virtual void read() = 0;
  // Hands on what the other lanes have said.
  virtual void hear_lanes() = 0;
  // Goes on with what is to be done in this turn.
  virtual void go_on() = 0;
  virtual void perform(Effect effect) = 0;
  virtual void update_poller() = 0;
  // Another deadline than the machine's, before it; go_on() looks whether it has passed.
  virtual std::optional<core::Time> earlier_deadline() const { return std::nullopt; }
  // What a peer that has died has said last is to be heard before its death.
  virtual bool wants_last_words() const { return false; }
  // The peer has said all that it had to say, and its end is to change nothing yet.
  virtual bool has_heard_enough() const { return false; }

  // Effects may cause events. They are handled in order, never one inside another.
  void handle(Event event) {
    events_.push_back(std::move(event));
    if (handling_) return;
    handling_ = true;
    while (!events_.empty()) {
      const Event next = std::move(events_.front());
      events_.pop_front();
      for (const Effect effect : machine_.step(next, now_us())) attempt(effect);
    }
    handling_ = false;
  }

  // What a peer that has died left unfinished is not what it died of: its end comes first.
  void handle_fault(Event event) {
    if (!peer_seen_ && has_exited(peer_.get())) {
      peer_seen_ = true;
      events_.push_back({What::kPeerExited});
    }
    handle(std::move(event));
  }

  void claim() {
    failpoint::hit(Side::kBeforeClaim);
    const bool won = word_->claim(Side::kParty);
    failpoint::hit(Side::kAfterClaim);
    // The loser tells whether the winner is there still.
    if (!won && !peer_seen_ && has_exited(peer_.get())) {
      handle({What::kPeerExited});
      peer_seen_ = true;
    }
    handle({won ? What::kWon : What::kLost});
  }

  void kill_peer(const std::string& why) {
    registry_.log(HANDOFF_LOG_WARNING, why);
    // If this is not allowed, the peer's exit is waited for, whoever brings it about.
    if (const auto ok = kill_process(peer_.get()); !ok) {
      registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    }
  }

  // nullptr if this is none.
  Rehearsal* rehearsal() { return rehearsal_ ? &*rehearsal_ : nullptr; }

  // channel: its fd, or none if nothing more can come of it. lanes: of lane 0's other channels.
  void watch(std::optional<int> channel, bool write, const std::optional<int>& lanes) {
    Awaited awaited;
    const bool finished = machine_.finished();
    if (!finished) {
      awaited.channel = channel;
      awaited.write = write;
      if (!peer_seen_) awaited.peer = peer_.get();
      awaited.deadline = machine_.deadline();
      const auto earlier = earlier_deadline();
      if (earlier && (!awaited.deadline || *earlier < *awaited.deadline)) {
        awaited.deadline = earlier;
      }
    }
    if (lanes && !finished) {
      if (const auto ok = poller_.watch(Role::kLanes, *lanes, false); !ok) {
        registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
      }
    } else {
      poller_.unwatch(Role::kLanes);
    }
    await(poller_, registry_, awaited);
  }
  // Before the channels are closed.
  void stop_watching() {
    poller_.unwatch(Role::kLanes);
    await(poller_, registry_, {});
  }

  Registry& registry_;
  Poller& poller_;
  Reporter& reporter_;
  HandoffParameters parameters_;
  UniqueFd peer_;
  typename Side::Machine machine_;
  std::optional<Rehearsal> rehearsal_;  // outlives the copy, which notes into it
  std::optional<OwnershipWord> word_;   // once it is needed, or has come
  bool peer_seen_ = false;              // its exit was reported
  bool channel_done_ = false;           // nothing more can come of it

 private:
  void turn(Role role) {
    if (has_heard_enough()) return go_on();
    switch (role) {
      case Role::kChannel:
        read();
        break;
      case Role::kPeer:
        if (!has_exited(peer_.get())) break;
        if (wants_last_words()) read();
        peer_seen_ = true;
        handle({What::kPeerExited});
        break;
      case Role::kTimer:
        read();  // what was said in time counts
        hear_lanes();
        handle({What::kTimer});
        break;
      default:
        break;
    }
    go_on();
  }
  // The effects that follow one which fails are carried out all the same: a thaw, above all.
  void attempt(Effect effect) {
    try {
      perform(effect);
    } catch (const std::bad_alloc&) {
      handle({What::kRefused, out_of_memory()});
    }
  }

  std::deque<Event> events_;
  bool handling_ = false;
};

}  // namespace handoff::io
