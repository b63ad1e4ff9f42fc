// One link: the channel between two processes that both serve sessions, an owner and one that is
// late. Sessions move over it in groups, each by a small switch of its own, while both processes go
// on with everything else; core/giver and core/taker decide, this is their shell.
//
// The process at the other end may be replaced by its heir, which has a duplicate of that end: a
// LinkHello says so, with a pidfd of the sender. The owner says Hello first, the late one answers.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/copy/session_receiver.h"
#include "libhandoff/copy/session_record.h"
#include "libhandoff/core/giver.h"
#include "libhandoff/core/taker.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class Link {
 public:
  // Takes the channel and the other's pidfd; greets: this side is the owner's.
  Link(Registry& registry, core::Limits limits, Channel channel, UniqueFd peer, bool greets);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void start();
  // Does what there is to do: reads, writes, looks for exits and deadlines.
  void turn();

  // Both sides know each other and no group of ours is under way.
  bool can_give() const;
  // Whether this kind's state can go over it.
  bool carries(std::uint32_t kind) const;
  bool knows_the_other() const { return greeted_; }
  // At most kMaxGroup sessions of this process, none of them in a group.
  void give(std::vector<std::uint64_t> ids);

  bool idle() const { return giver_.idle() && taker_.idle() && out_.empty(); }
  // A group that was given up for time's sake is tried again after this.
  std::optional<core::Time> retry_at() const { return retry_at_; }
  // Nothing will come of it any more; nobody else's sessions depend on it.
  bool over() const;
  std::uint64_t moved() const { return moved_; }      // given away
  std::uint64_t adopted() const { return adopted_; }  // taken
  std::uint64_t peer_generation() const { return peer_generation_; }
  // At most this many in the next group: a refused one is looked for one by one.
  std::size_t group_size() const { return singly_ ? 1 : protocol::kMaxGroup; }

  // What is waited for.
  int channel_fd() const { return eof_ ? -1 : channel_.fd(); }
  bool wants_write() const { return !out_.empty(); }
  int peer_fd() const { return peer_seen_ ? -1 : peer_.get(); }
  std::optional<core::Time> deadline() const { return giver_.deadline(); }
  // To be passed on to an heir; borrowed.
  int channel_end() const { return channel_.fd(); }
  int peer_end() const { return peer_.get(); }
  // pidfds that were watched and are not any more: others hold duplicates, so they may be closed
  // only once the epoll set does not know them.
  void close_unwatched() { unwatched_.clear(); }

 private:
  // A frame that waits for room.
  struct Out {
    protocol::Type type;
    std::string body;
    std::vector<int> fds;
    std::vector<UniqueFd> kept;  // fds of ours among them
    bool giver = false;          // of our group
    bool taker = false;          // of theirs
  };

  void flush();
  void sent(const Out& out);
  void read(bool to_the_end);
  void understand(Channel::Message& message);
  void greet(bool answer);
  void greeted(protocol::LinkHello hello, UniqueFd pidfd);
  void peer_exited();
  void cut(core::Reason reason);
  void forget(bool Out::*role);

  void feed(core::GiverEvent event);
  void feed(core::TakerEvent event);
  void perform(core::GiverEffect effect);
  void perform(core::TakerEffect effect);
  void freeze_and_send();
  void take_back();
  void let_go();
  void adopt();
  void stage(const protocol::GroupSessions& message, std::vector<UniqueFd>& fds);
  void prepare(const protocol::GroupPrepare& message);
  bool of_our_group(std::uint64_t group) const { return group == giver_group_ && !giver_.idle(); }
  bool of_their_group(std::uint64_t group) const { return group == taker_group_ && received_; }

  Registry& registry_;
  core::Limits limits_;
  Channel channel_;
  UniqueFd peer_;
  bool greets_;
  core::Giver giver_;
  core::Taker taker_;
  std::deque<Out> out_;

  bool greeted_ = false;  // the other's manifest is known
  std::vector<UniqueFd> unwatched_;
  bool peer_seen_ = false;
  bool eof_ = false;
  bool cut_ = false;
  std::optional<std::pair<protocol::LinkHello, UniqueFd>> successor_;  // found while reading out
  bool reading_out_ = false;
  std::uint64_t peer_generation_ = 0;
  std::vector<std::uint32_t> versions_out_;
  std::vector<std::uint32_t> versions_in_;
  core::Manifest peer_manifest_;

  std::uint64_t giver_group_ = 0;
  std::vector<std::uint64_t> group_;  // ids, from kFreeze on
  std::uint64_t checksum_out_ = 0;
  std::optional<core::Time> retry_at_;
  core::Duration retry_after_ = 0;
  bool singly_ = false;

  std::uint64_t taker_group_ = 0;
  std::unique_ptr<SessionReceiver> received_;  // of the group that comes
  std::uint64_t checksum_in_ = 0;

  std::uint64_t moved_ = 0;
  std::uint64_t adopted_ = 0;
};

}  // namespace handoff::io
