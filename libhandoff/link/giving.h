// One half of a link: the group of sessions that this process gives over it. core/giver decides
// what becomes of the group; this saves it, sends it, and takes it up again or lets it go.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/core/giver.h"
#include "libhandoff/link/outbox.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class Giving {
 public:
  Giving(Registry& registry, core::Limits limits, Outbox& outbox)
      : registry_(registry), limits_(limits), outbox_(outbox), giver_(limits) {}
  Giving(const Giving&) = delete;
  Giving& operator=(const Giving&) = delete;

  // A process is at the other end that was not there before. versions: of each of our kinds'
  // states, the one that it reads; 0: none.
  // layers, session_fds: it takes the bytes of a layer, and sessions with fds of their own.
  void begin(std::vector<std::uint32_t> versions, bool layers, bool session_fds);
  // Whether the session's state and fds can go over the link.
  bool carries(std::uint64_t id, const SessionEntry& entry) const {
    return carries(entry.kind) && (session_fds_ || !registry_.sessions.has_own_fds(id, entry));
  }

  // At most group_size() sessions of this process, none of them in a group.
  void give(std::vector<std::uint64_t> ids);
  // No group is under way, and none is to be tried again later.
  bool can_give() const;
  // A taker that refuses a group does not say which session it means: so each goes alone then.
  std::size_t group_size() const { return singly_ ? 1 : protocol::kMaxGroup; }
  // A group that was given up for time's sake is tried again from then on.
  std::optional<core::Time> retry_at() const { return retry_at_; }

  void feed(core::GiverEvent event);
  // A frame of this half has left the outbox.
  void sent(protocol::Type type);
  // The taker's words. An Error: it breaks the protocol.
  Result<void> prepared(const protocol::GroupPrepared& message);
  void resumed(const protocol::GroupResumed& message);
  void refused(protocol::GroupAbort message);

  bool idle() const { return giver_.idle(); }  // no group is under way
  std::optional<core::Time> deadline() const { return giver_.deadline(); }
  std::uint64_t moved() const { return moved_; }  // sessions, since the link began

 private:
  bool carries(std::uint32_t kind) const { return kind < versions_.size() && versions_[kind] != 0; }
  void perform(core::GiverEffect effect);
  void push(protocol::Type type, std::string body);
  void freeze_and_send();
  void take_back();
  void let_go();
  bool ours(std::uint64_t group) const { return group == number_ && !giver_.idle(); }

  Registry& registry_;
  core::Limits limits_;
  Outbox& outbox_;
  core::Giver giver_;
  bool layers_ = false;  // the taker knows the bytes of a layer
  std::vector<std::uint32_t> versions_;
  bool session_fds_ = false;
  std::uint64_t number_ = 0;          // of the group
  std::vector<std::uint64_t> group_;  // ids, from kFreeze on
  std::optional<core::Time> retry_at_;
  core::Duration retry_after_ = 0;
  bool singly_ = false;
  std::uint64_t moved_ = 0;
};

}  // namespace handoff::io
