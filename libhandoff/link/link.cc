#include "libhandoff/link/link.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/sys/memory.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

using core::Code;
using protocol::Type;
using GE = core::GiverEventType;
using TE = core::TakerEventType;

// Until a group that was given up for time's sake is tried again.
constexpr core::Duration kFirstRetry = 50'000;
constexpr core::Duration kLastRetry = 2'000'000;

// Over one frame after the other.
std::uint64_t add_checksum(std::uint64_t before, std::string_view body) {
  return checksum({reinterpret_cast<const char*>(&before), sizeof before}, body, {});
}

}  // namespace

Link::Link(Registry& registry, core::Limits limits, Channel channel, UniqueFd peer, bool greets)
    : registry_(registry),
      limits_(limits),
      channel_(std::move(channel)),
      peer_(std::move(peer)),
      greets_(greets),
      giver_(limits) {}

void Link::start() {
  if (greets_) greet(false);
}

bool Link::over() const {
  if (!giver_.idle() || !taker_.idle()) return false;
  return eof_ || cut_;
}

bool Link::can_give() const {
  return greeted_ && !cut_ && giver_.state() == core::GiverState::kIdle;
}

bool Link::carries(std::uint32_t kind) const {
  return greeted_ && kind < versions_out_.size() && versions_out_[kind] != 0;
}

// ---- the wire

void Link::turn() {
  try {
    flush();
    read(false);
    if (!peer_seen_ && has_exited(peer_.get())) peer_exited();
    feed(core::GiverEvent{GE::kTimer});
    flush();
  } catch (const std::bad_alloc&) {
    feed(core::GiverEvent{GE::kRefused, out_of_memory()});
    feed(core::TakerEvent{TE::kRefused, out_of_memory()});
  }
}

void Link::flush() {
  while (!out_.empty() && !eof_) {
    const auto sent_now = channel_.send(out_.front().type, out_.front().body, out_.front().fds);
    if (!sent_now) {
      out_.pop_front();  // before it comes by here again
      cut(to_reason(sent_now.error()));
      continue;
    }
    if (*sent_now == Channel::Sent::kClosed) {
      // What the other had to say comes first, and then EOF.
      out_.clear();
      return;
    }
    if (*sent_now != Channel::Sent::kYes) return;
    const Out out = std::move(out_.front());
    out_.pop_front();
    sent(out);
  }
}

void Link::sent(const Out& out) {
  switch (out.type) {
    case Type::kGroupPrepare:
      return feed(core::GiverEvent{GE::kSent});
    case Type::kGroupRelease:
      return feed(core::GiverEvent{GE::kReleaseSent});
    case Type::kGroupAbort:
      if (out.giver) feed(core::GiverEvent{GE::kAbortSent});
      return;
    case Type::kGroupResumed:
      return feed(core::TakerEvent{TE::kResumedSent});
    default:
      return;
  }
}

void Link::forget(bool Out::*role) {
  std::erase_if(out_, [role](const Out& out) { return out.*role; });
}

void Link::read(bool to_the_end) {
  for (int i = 0; (to_the_end || i < 64) && !eof_ && !successor_; ++i) {
    Channel::Message message;
    const auto received = channel_.recv(message);
    if (!received) {
      cut(to_reason(received.error()));
      if (to_the_end) return;
      continue;
    }
    if (*received == Channel::Received::kWouldBlock) return;
    if (*received == Channel::Received::kClosed) {
      eof_ = true;
      out_.clear();
      feed(core::GiverEvent{GE::kChannelClosed});
      feed(core::TakerEvent{TE::kChannelClosed});
      return;
    }
    understand(message);
  }
}

void Link::understand(Channel::Message& message) {
  const auto broken = [this](const Error& error) { cut(to_reason(error)); };
  const Type type = message.header.type;
  if (type != Type::kLinkHello && type != Type::kGroupSessions && !message.fds.empty()) {
    return cut({Code::kProtocol, "fds with " + protocol::type_name(type) + " over a link"});
  }
  switch (type) {
    case Type::kLinkHello: {
      auto hello = protocol::decode<protocol::LinkHello>(message.body);
      if (!hello) return broken(hello.error());
      if (message.fds.size() != 1) return cut({Code::kProtocol, "LinkHello without its pidfd"});
      if (reading_out_) {
        successor_.emplace(std::move(*hello), std::move(message.fds[0]));
        return;
      }
      return greeted(std::move(*hello), std::move(message.fds[0]));
    }
    case Type::kGroupSessions: {
      const auto group = protocol::decode<protocol::GroupSessions>(message.body);
      if (!group) return broken(group.error());
      return stage(*group, message.fds);
    }
    case Type::kGroupPrepare: {
      const auto group = protocol::decode<protocol::GroupPrepare>(message.body);
      if (!group) return broken(group.error());
      return prepare(*group);
    }
    case Type::kGroupRelease: {
      const auto group = protocol::decode<protocol::GroupRelease>(message.body);
      if (!group) return broken(group.error());
      if (of_their_group(group->group)) feed(core::TakerEvent{TE::kRelease});
      return;
    }
    case Type::kGroupPrepared: {
      const auto group = protocol::decode<protocol::GroupPrepared>(message.body);
      if (!group) return broken(group.error());
      if (!of_our_group(group->group)) return;
      if (group->sessions != group_.size()) {
        return cut({Code::kProtocol, "the taker is prepared for another number of sessions"});
      }
      return feed(core::GiverEvent{GE::kPrepared});
    }
    case Type::kGroupResumed: {
      const auto group = protocol::decode<protocol::GroupResumed>(message.body);
      if (!group) return broken(group.error());
      if (of_our_group(group->group)) feed(core::GiverEvent{GE::kResumed});
      return;
    }
    case Type::kGroupAbort: {
      auto group = protocol::decode<protocol::GroupAbort>(message.body);
      if (!group) return broken(group.error());
      if (group->by_giver) {
        if (of_their_group(group->group)) feed(core::TakerEvent{TE::kPeerAborted, group->reason});
        return;
      }
      if (!of_our_group(group->group)) return;
      registry_.log(HANDOFF_LOG_WARNING, "a late session was refused: " + group->reason.text);
      // Whose fault it was shows when each goes alone.
      if (group_.size() == 1 && registry_.sessions.contains(group_[0])) {
        registry_.sessions.at(group_[0]).refused = true;
        singly_ = false;
      } else {
        singly_ = true;
      }
      return feed(core::GiverEvent{GE::kPeerAborted, std::move(group->reason)});
    }
    case Type::kAck:
    case Type::kPrepared:
    case Type::kRelease:
    case Type::kResumed:
      // What was left of the handoff: who took the deed, or found it taken, did not wait for it.
      if (!greeted_) return;
      [[fallthrough]];
    default:
      return cut({Code::kProtocol, protocol::type_name(type) + " over a link"});
  }
}

// Nothing new over this link; what is under way ends as it would.
void Link::cut(core::Reason reason) {
  if (!cut_) registry_.log(HANDOFF_LOG_ERROR, "a link is given up: " + reason.text);
  cut_ = true;
  feed(core::GiverEvent{GE::kMalformed, reason});
  feed(core::TakerEvent{TE::kMalformed, std::move(reason)});
}

// ---- who is at the other end

void Link::greet(bool answer) {
  auto manifest = registry_.manifest(false);
  if (!manifest) return cut(to_reason(manifest.error()));
  manifest->named.clear();
  UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self.valid()) return cut(to_reason(Error::from_errno(errno, "a pidfd of this process")));
  Out out{.type = Type::kLinkHello,
          .body = encode(protocol::LinkHello{.protocol_min = protocol::kVersionMin,
                                             .protocol_max = protocol::kVersionMax,
                                             .generation = registry_.generation,
                                             .answer = answer,
                                             .manifest = std::move(*manifest)})};
  out.fds.push_back(self.get());
  out.kept.push_back(std::move(self));
  out_.push_back(std::move(out));
  flush();
}

void Link::greeted(protocol::LinkHello hello, UniqueFd pidfd) {
  if (hello.manifest.service != registry_.service || hello.protocol_min > protocol::kVersionMax ||
      hello.protocol_max < protocol::kVersionMin) {
    return cut({Code::kVersion, "the other end of the link is of another service or protocol"});
  }
  if (!idle() && !peer_seen_ && has_exited(peer_.get())) {
    // All that the one before has said is read: it came before this.
    peer_seen_ = true;
    feed(core::GiverEvent{GE::kPeerExited});
    feed(core::TakerEvent{TE::kPeerExited});
    feed(core::GiverEvent{GE::kReadOut});
    feed(core::TakerEvent{TE::kReadOut});
  }
  // One that lives has passed its end on between two groups; one of ours may lie there unread.
  feed(core::GiverEvent{GE::kSuccessor, {Code::kCancelled, "another process took the link over"}});
  if (!giver_.idle() || !taker_.idle()) {
    return cut({Code::kProtocol, "LinkHello in the middle of a group"});
  }
  auto manifest = registry_.manifest(false);
  if (!manifest) return cut(to_reason(manifest.error()));
  out_.clear();
  giver_ = core::Giver(limits_);
  taker_ = core::Taker();
  received_.reset();
  taker_group_ = 0;
  unwatched_.push_back(std::exchange(peer_, std::move(pidfd)));
  peer_seen_ = false;
  peer_generation_ = hello.generation;
  versions_out_ = core::link_versions(*manifest, hello.manifest);
  versions_in_ = core::link_versions(hello.manifest, *manifest);
  peer_manifest_ = std::move(hello.manifest);
  greeted_ = true;
  singly_ = false;
  retry_at_.reset();
  retry_after_ = 0;
  for (auto& [id, entry] : registry_.sessions) entry.refused = false;
  if (!hello.answer) greet(true);
}

void Link::peer_exited() {
  peer_seen_ = true;
  out_.clear();
  feed(core::TakerEvent{TE::kPeerExited});
  feed(core::GiverEvent{GE::kPeerExited});
  reading_out_ = true;
  read(true);
  reading_out_ = false;
  feed(core::TakerEvent{TE::kReadOut});
  feed(core::GiverEvent{GE::kReadOut});
  if (received_) {  // not whole, and nobody will complete it
    received_->drop();
    received_.reset();
  }
  // Its heir may have spoken already.
  if (auto next = std::exchange(successor_, std::nullopt)) {
    greeted(std::move(next->first), std::move(next->second));
  }
}

// ---- giving

void Link::feed(core::GiverEvent event) {
  for (const auto effect : giver_.step(event, now_us())) perform(effect);
}

void Link::perform(core::GiverEffect effect) {
  const auto queue = [this](Type type, std::string body) {
    out_.push_back({.type = type, .body = std::move(body), .giver = true});
  };
  switch (effect) {
    case core::GiverEffect::kFreeze:
      return freeze_and_send();
    case core::GiverEffect::kSendRelease:
      queue(Type::kGroupRelease, encode(protocol::GroupRelease{giver_group_}));
      return flush();
    case core::GiverEffect::kSendAbort:
      forget(&Out::giver);
      registry_.log(HANDOFF_LOG_WARNING, "late sessions stay for now: " + giver_.reason().text);
      queue(Type::kGroupAbort, encode(protocol::GroupAbort{giver_group_, true, giver_.reason()}));
      return flush();
    case core::GiverEffect::kThaw:
      return take_back();
    case core::GiverEffect::kLetGo:
      return let_go();
    case core::GiverEffect::kReadOut:
      return;  // peer_exited() does it, for both
  }
}

void Link::give(std::vector<std::uint64_t> ids) {
  group_ = std::move(ids);
  ++giver_group_;
  retry_at_.reset();
  feed(core::GiverEvent{GE::kBegun});
}

void Link::freeze_and_send() {
  const handoff_callbacks& callbacks = registry_.callbacks;
  const std::uint64_t frozen_at = now_ns();
  for (const std::uint64_t id : group_) {
    registry_.sessions.at(id).away = true;
    registry_.tell("freeze_session()",
                   [&] { callbacks.freeze_session(registry_.callbacks_user, id); });
  }
  checksum_out_ = 0;
  PackedSessions packed;
  handoff_saved saved;
  const auto queue = [&] {
    if (packed.body.empty()) return;
    checksum_out_ = add_checksum(checksum_out_, packed.body);
    out_.push_back({.type = Type::kGroupSessions,
                    .body = encode(protocol::GroupSessions{giver_group_, packed.body}),
                    .fds = std::move(packed.fds),
                    .kept = std::move(packed.blobs),
                    .giver = true});
    packed = {};
  };
  for (const std::uint64_t id : group_) {
    SessionEntry& entry = registry_.sessions.at(id);
    auto ok = check_fd(registry_, id, entry);
    if (ok) ok = save_session(registry_, id, entry, versions_out_.at(entry.kind), saved);
    if (ok) ok = pack_session(registry_, id, entry, saved, true, packed);
    if (!ok) {
      entry.refused = true;
      return feed(core::GiverEvent{GE::kRefused, to_reason(ok.error())});
    }
    if (packed.body.size() >= protocol::kBatchBody) queue();
  }
  queue();
  out_.push_back({.type = Type::kGroupPrepare,
                  .body = encode(protocol::GroupPrepare{.group = giver_group_,
                                                        .sessions = group_.size(),
                                                        .checksum = checksum_out_,
                                                        .frozen_at_ns = frozen_at}),
                  .giver = true});
  flush();
}

void Link::take_back() {
  forget(&Out::giver);
  if (giver_.reason().code == Code::kTimeout || singly_) {
    retry_after_ = std::clamp(2 * retry_after_, kFirstRetry, kLastRetry);
    retry_at_ = now_us() + retry_after_;
  }
  for (const std::uint64_t id : std::exchange(group_, {})) {
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end()) continue;
    it->second.away = false;
    registry_.tell("thaw_session()",
                   [&] { registry_.callbacks.thaw_session(registry_.callbacks_user, id); });
  }
}

void Link::let_go() {
  retry_after_ = 0;
  for (const std::uint64_t id : std::exchange(group_, {})) {
    registry_.remove_session(id);
    ++moved_;
    registry_.tell("moved()", [&] { registry_.callbacks.moved(registry_.callbacks_user, id); });
  }
}

// ---- taking

void Link::feed(core::TakerEvent event) {
  for (const auto effect : taker_.step(event)) perform(effect);
}

void Link::perform(core::TakerEffect effect) {
  const auto queue = [this](Type type, std::string body) {
    out_.push_back({.type = type, .body = std::move(body), .taker = true});
    flush();
  };
  switch (effect) {
    case core::TakerEffect::kRestore: {
      const auto ok = received_->restore();
      return feed(ok ? core::TakerEvent{TE::kRestored}
                     : core::TakerEvent{TE::kRefused, to_reason(ok.error())});
    }
    case core::TakerEffect::kSendPrepared:
      return queue(Type::kGroupPrepared,
                   encode(protocol::GroupPrepared{taker_group_, received_->sessions()}));
    case core::TakerEffect::kSendResumed:
      return queue(Type::kGroupResumed, encode(protocol::GroupResumed{taker_group_}));
    case core::TakerEffect::kAdopt:
      return adopt();
    case core::TakerEffect::kKeepWhole:
      received_->restore_what_can_be();
      registry_.log(HANDOFF_LOG_WARNING,
                    "a late process has died: " + std::to_string(received_->sessions()) +
                        " sessions that were on their way are kept");
      return adopt();
    case core::TakerEffect::kDrop:
      forget(&Out::taker);
      if (received_) received_->drop();
      received_.reset();
      return;
    case core::TakerEffect::kSendAbort:
      forget(&Out::taker);
      out_.push_back({.type = Type::kGroupAbort,
                      .body = encode(protocol::GroupAbort{taker_group_, false, taker_.reason()})});
      return flush();
    case core::TakerEffect::kReadOut:
      return;  // peer_exited() does it, for both
  }
}

void Link::adopt() {
  const auto ids = received_->ids();
  received_->adopt();
  received_.reset();
  adopted_ += ids.size();
  for (const std::uint64_t id : ids) {
    registry_.tell("thaw_session()",
                   [&] { registry_.callbacks.thaw_session(registry_.callbacks_user, id); });
  }
}

void Link::stage(const protocol::GroupSessions& message, std::vector<UniqueFd>& fds) {
  // What was sent to the process before this one: its giver takes it back.
  if (!greeted_ || cut_) return;
  if (message.group > taker_group_) {
    if (received_) return cut({Code::kProtocol, "a group within a group"});
    taker_group_ = message.group;
    checksum_in_ = 0;
    received_ = std::make_unique<SessionReceiver>(registry_, nullptr);
    auto mapped = map_kinds(registry_, peer_manifest_, versions_in_);
    if (mapped) received_->set_kinds(*mapped);
    if (!mapped || !registry_.can_hold()) {
      return feed(core::TakerEvent{
          TE::kRefused, mapped
                            ? core::Reason{Code::kRejected, "this release takes no late sessions"}
                            : to_reason(mapped.error())});
    }
  } else if (!of_their_group(message.group)) {
    return;  // the rest of one that was refused
  }
  checksum_in_ = add_checksum(checksum_in_, message.sessions);
  const auto applied = received_->apply(message.sessions, fds, RingReceiver());
  if (!applied) return feed(core::TakerEvent{TE::kRefused, to_reason(applied.error())});
  feed(core::TakerEvent{TE::kSessions});
}

void Link::prepare(const protocol::GroupPrepare& message) {
  if (!of_their_group(message.group)) return;
  if (message.sessions != received_->sessions() || message.checksum != checksum_in_) {
    return cut({Code::kProtocol, "GroupPrepare: the count or the checksum is wrong"});
  }
  feed(core::TakerEvent{TE::kPrepare});
}

}  // namespace handoff::io
