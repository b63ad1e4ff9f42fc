// One link: the channel between two processes that both serve sessions, an owner and one that is
// late. Sessions move over it in groups, each by a small switch of its own, while both processes go
// on with everything else. Its two halves are apart: Giving has the group that goes, Taking the
// group that comes. The link reads for both, and knows who is at the other end.
//
// The process at the other end may be replaced by its heir, which has a duplicate of that end: a
// LinkHello says so, with a pidfd of the sender. The owner greets first, the late process answers.
//
// Where one of the two has several lanes, the late process makes a way for each pair of lanes that
// meet, and sends the owner its ends (Lanes). A way is a link of its own between two lanes, on
// their threads, and nobody inherits it: each greeting of the link makes new ones.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "libhandoff/core/lanes.h"
#include "libhandoff/link/giving.h"
#include "libhandoff/link/outbox.h"
#include "libhandoff/link/taking.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

// One end of a way, for the lane that it belongs to.
struct Way {
  std::uint32_t lane = 0;
  Channel channel;
  UniqueFd peer;  // the pidfd of the other
  core::Limits limits;
  core::Share share = {};  // of the lane's sessions, those that go by it
  bool greets = false;     // this side is the owner's
};

class Link : private Outbox::Listener {
 public:
  // Takes the channel and the other's pidfd; greets: this side is the owner's.
  Link(Registry& registry, core::Limits limits, Channel channel, UniqueFd peer, bool greets);
  Link(Registry& registry, Way way);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void start();
  // Does what there is to do: reads, writes, looks for exits and deadlines.
  void turn();

  // Both sides know each other, and the next group may go.
  bool can_give() const { return greeted_ && !cut_ && giving_.can_give(); }
  bool knows_the_other() const { return greeted_; }
  // The other has greeted since this was asked last.
  bool take_greeted() { return std::exchange(fresh_greeting_, false); }
  // The ways that have come about since this was asked last.
  std::vector<Way> take_ways() { return std::exchange(ways_, {}); }
  bool is_way() const { return is_way_; }
  // A late process's: other lanes have ways of it, or will have if the owner knows of them.
  bool brings_ways() const { return !is_way_ && !cut_ && (!greeted_ || has_ways_); }
  // The session goes by this one, and not by another way of its lane.
  bool has(std::uint64_t id) const { return share_.has(id); }
  const Giving& giving() const { return giving_; }
  void give(std::vector<std::uint64_t> ids) { giving_.give(std::move(ids)); }
  void answered(const Told::Answer& answer) { taking_.answered(answer); }
  bool brings(std::uint64_t id) const { return taking_.has(id); }

  bool idle() const { return giving_.idle() && taking_.idle() && outbox_.empty(); }
  // Neither a group nor anybody's session depends on the link any more.
  bool over() const { return giving_.idle() && taking_.idle() && (eof_ || cut_); }

  // To be watched; -1: nothing.
  int channel_fd() const { return eof_ ? -1 : channel_.fd(); }
  bool wants_write() const { return !outbox_.empty(); }
  int peer_fd() const { return peer_seen_ ? -1 : peer_.get(); }
  std::optional<core::Time> deadline() const { return giving_.deadline(); }
  // Borrowed, to be passed on to an heir.
  int channel_end() const { return channel_.fd(); }
  int peer_end() const { return peer_.get(); }
  // Other processes hold duplicates of a pidfd, so epoll would go on knowing one that we close.
  // So a watched one is closed here, once the epoll set has forgotten it.
  void close_unwatched() { unwatched_.clear(); }

 private:
  void sent(const Outbox::Frame& frame) override;
  void refused(const Error& error) override;

  void read(bool to_the_end);
  Result<void> hear(Channel::Message& message);
  Result<void> hear_hello(protocol::LinkHello hello, std::vector<UniqueFd>& fds);
  Result<void> greet(bool answer);
  Result<void> greeted(protocol::LinkHello hello, UniqueFd pidfd);
  // A late process makes the ways, an owner hears of them.
  Result<void> make_ways(const core::Lanes& lanes);
  Result<void> hear_ways(const protocol::Lanes& lanes, std::vector<UniqueFd>& fds);
  void peer_exited();
  // Nothing new goes over this link; what is under way ends as it would.
  void cut(core::Reason reason);
  void cut_if_broken(const Result<void>& heard);

  Registry& registry_;
  core::Limits limits_;
  Channel channel_;
  UniqueFd peer_;
  bool greets_;
  bool is_way_ = false;
  core::Share share_;
  bool has_ways_ = false;
  std::vector<Way> ways_;
  Outbox outbox_{channel_, *this};
  Giving giving_;
  Taking taking_{registry_, outbox_};

  bool greeted_ = false;  // the other's manifest is known
  bool fresh_greeting_ = false;
  std::vector<UniqueFd> unwatched_;
  bool peer_seen_ = false;  // its exit
  bool eof_ = false;
  bool cut_ = false;
  std::optional<std::pair<protocol::LinkHello, UniqueFd>> successor_;  // found while reading out
  bool reading_out_ = false;
};

}  // namespace handoff::io
