// One link: the channel between two processes that both serve sessions, an owner and one that is
// late. Sessions move over it in groups, each by a small switch of its own, while both processes go
// on with everything else. Its two halves are apart: Giving has the group that goes, Taking the
// group that comes. The link reads for both, and knows who is at the other end.
//
// The process at the other end may be replaced by its heir, which has a duplicate of that end: a
// LinkHello says so, with a pidfd of the sender. The owner greets first, the late process answers.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "libhandoff/link/giving.h"
#include "libhandoff/link/outbox.h"
#include "libhandoff/link/taking.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class Link : private Outbox::Listener {
 public:
  // Takes the channel and the other's pidfd; greets: this side is the owner's.
  Link(Registry& registry, core::Limits limits, Channel channel, UniqueFd peer, bool greets);
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
  void peer_exited();
  // Nothing new goes over this link; what is under way ends as it would.
  void cut(core::Reason reason);
  void cut_if_broken(const Result<void>& heard);

  Registry& registry_;
  Channel channel_;
  UniqueFd peer_;
  bool greets_;
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
