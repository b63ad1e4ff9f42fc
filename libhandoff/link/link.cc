#include "libhandoff/link/link.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <string>
#include <type_traits>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using core::Code;
using protocol::Type;
using GE = core::GiverEventType;
using TE = core::TakerEventType;

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return fail_errno("a pidfd for a lane of the link");
  return copy;
}

// In one turn: a peer that talks without end can't keep the sessions of this process waiting.
constexpr int kFramesPerTurn = 64;

// Takes one message apart; take returns nothing or a Result<void>.
template <class Message, class Take>
Result<void> decoded(const Channel::Message& message, Take&& take) {
  auto parts = protocol::decode<Message>(message.body);
  if (!parts) return Failure(parts.error());
  if constexpr (std::is_void_v<decltype(take(*parts))>) {
    take(*parts);
    return {};
  } else {
    return take(*parts);
  }
}

}  // namespace

Link::Link(Registry& registry, core::Limits limits, Channel channel, UniqueFd peer, bool greets)
    : registry_(registry),
      limits_(limits),
      channel_(std::move(channel)),
      peer_(std::move(peer)),
      greets_(greets),
      giving_(registry, limits, outbox_) {}

Link::Link(Registry& registry, Way way)
    : Link(registry, way.limits, std::move(way.channel), std::move(way.peer), way.greets) {
  is_way_ = true;
  share_ = way.share;
}

void Link::start() {
  if (greets_) cut_if_broken(greet(false));
}

// ---- the wire

void Link::turn() {
  try {
    outbox_.flush();
    read(false);
    if (!peer_seen_ && has_exited(peer_.get())) peer_exited();
    giving_.feed({GE::kTimer});
    outbox_.flush();
  } catch (const std::bad_alloc&) {
    giving_.feed({GE::kRefused, out_of_memory()});
    taking_.feed({TE::kRefused, out_of_memory()});
  }
}

void Link::sent(const Outbox::Frame& frame) {
  if (frame.of == Outbox::Of::kGiving) giving_.sent(frame.type);
  if (frame.of == Outbox::Of::kTaking) taking_.sent(frame.type);
}

void Link::refused(const Error& error) { cut(to_reason(error)); }

void Link::read(bool to_the_end) {
  for (int i = 0; (to_the_end || i < kFramesPerTurn) && !eof_ && !successor_; ++i) {
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
      outbox_.close();
      giving_.feed({GE::kChannelClosed});
      taking_.feed({TE::kChannelClosed});
      return;
    }
    cut_if_broken(hear(message));
  }
}

Result<void> Link::hear(Channel::Message& message) {
  const Type type = message.header.type;
  taking_.giver_speaks();
  const bool takes_fds =
      type == Type::kLinkHello || type == Type::kLanes || type == Type::kGroupSessions;
  if (!takes_fds && !message.fds.empty()) {
    return fail(HANDOFF_ERR_PROTOCOL, "fds with " + protocol::type_name(type) + " over a link");
  }
  switch (type) {
    case Type::kLinkHello:
      return decoded<protocol::LinkHello>(message, [&](protocol::LinkHello& hello) {
        return hear_hello(std::move(hello), message.fds);
      });
    case Type::kLanes:
      return decoded<protocol::Lanes>(
          message, [&](const auto& lanes) { return hear_ways(lanes, message.fds); });
    case Type::kGroupSessions:
      channel_.wipe_last();  // perhaps some of it is a layer's
      return decoded<protocol::GroupSessions>(message, [&](const auto& group) -> Result<void> {
        // The group was sent to the process before this one, and its giver takes it back.
        if (!greeted_ || cut_) return {};
        return taking_.sessions(group, message.fds);
      });
    case Type::kGroupPrepare:
      return decoded<protocol::GroupPrepare>(
          message, [&](const auto& group) { return taking_.prepare(group); });
    case Type::kGroupRelease:
      return decoded<protocol::GroupRelease>(message,
                                             [&](const auto& group) { taking_.release(group); });
    case Type::kGroupPrepared:
      return decoded<protocol::GroupPrepared>(
          message, [&](const auto& group) { return giving_.prepared(group); });
    case Type::kGroupResumed:
      return decoded<protocol::GroupResumed>(message,
                                             [&](const auto& group) { giving_.resumed(group); });
    case Type::kGroupAbort:
      return decoded<protocol::GroupAbort>(message, [&](protocol::GroupAbort& group) {
        if (group.by_giver) {
          taking_.aborted(std::move(group));
        } else {
          giving_.refused(std::move(group));
        }
      });
    case Type::kAck:
    case Type::kPrepared:
    case Type::kRelease:
    case Type::kResumed:
      // Left over from the handoff: the side that decided by the ownership word did not wait for
      // the rest.
      if (!greeted_) return {};
      [[fallthrough]];
    default:
      return fail(HANDOFF_ERR_PROTOCOL, protocol::type_name(type) + " over a link");
  }
}

void Link::cut_if_broken(const Result<void>& heard) {
  if (!heard) cut(to_reason(heard.error()));
}

void Link::cut(core::Reason reason) {
  if (!cut_) registry_.log(HANDOFF_LOG_ERROR, "a link is given up: " + reason.text);
  cut_ = true;
  giving_.feed({GE::kMalformed, reason});
  taking_.feed({TE::kMalformed, std::move(reason)});
}

// ---- who is at the other end

Result<void> Link::greet(bool answer) {
  auto manifest = registry_.manifest(false);
  if (!manifest) return Failure(manifest.error());
  UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self.valid()) return fail_errno("a pidfd of this process");
  Outbox::Frame frame{.type = Type::kLinkHello,
                      .body = encode(protocol::LinkHello{.protocol_min = protocol::kVersionMin,
                                                         .protocol_max = protocol::kVersionMax,
                                                         .generation = registry_.generation,
                                                         .answer = answer,
                                                         .manifest = std::move(*manifest),
                                                         .layers = true,
                                                         .session_fds = true,
                                                         .lanes = is_way_ ? 0 : registry_.lanes})};
  frame.fds.push_back(self.get());
  frame.kept.push_back(std::move(self));
  outbox_.push(std::move(frame));
  outbox_.flush();
  return {};
}

Result<void> Link::hear_hello(protocol::LinkHello hello, std::vector<UniqueFd>& fds) {
  if (fds.size() != 1) return fail(HANDOFF_ERR_PROTOCOL, "LinkHello without its pidfd");
  if (reading_out_) {
    successor_.emplace(std::move(hello), std::move(fds[0]));
    return {};
  }
  return greeted(std::move(hello), std::move(fds[0]));
}

Result<void> Link::greeted(protocol::LinkHello hello, UniqueFd pidfd) {
  if (hello.manifest.service != registry_.service || hello.protocol_min > protocol::kVersionMax ||
      hello.protocol_max < protocol::kVersionMin) {
    return fail(HANDOFF_ERR_VERSION, "the other end of the link is of another service or protocol");
  }
  if (!idle() && !peer_seen_ && has_exited(peer_.get())) {
    // The process before has exited, and all that it said came before this and is read.
    peer_seen_ = true;
    giving_.feed({GE::kPeerExited});
    taking_.feed({TE::kPeerExited});
    giving_.feed({GE::kReadOut});
    taking_.feed({TE::kReadOut});
  }
  // The process before may live: it has passed its end on between two groups. Then a group of ours
  // may lie there unread.
  giving_.feed({GE::kSuccessor, {Code::kCancelled, "another process took the link over"}});
  if (!giving_.idle() || !taking_.idle()) {
    return fail(HANDOFF_ERR_PROTOCOL, "LinkHello in the middle of a group");
  }
  auto manifest = registry_.manifest(false);
  if (!manifest) return Failure(manifest.error());
  outbox_.clear();
  unwatched_.push_back(std::exchange(peer_, std::move(pidfd)));
  peer_seen_ = false;
  giving_.begin(core::link_versions(*manifest, hello.manifest), hello.layers, hello.session_fds);
  auto versions_in = core::link_versions(hello.manifest, *manifest);
  taking_.begin(std::move(hello.manifest), std::move(versions_in));
  greeted_ = fresh_greeting_ = true;
  if (hello.answer) return {};
  if (auto ok = greet(true); !ok) return ok;
  if (is_way_ || greets_) return {};
  share_ = {};
  has_ways_ = false;
  if (hello.lanes == 0) return {};
  const auto made = make_ways({registry_.lanes, std::min(hello.lanes, core::kMaxLanes)});
  if (!made) registry_.log(HANDOFF_LOG_ERROR, made.error().message);
  return {};
}

// An owner that says nothing of lanes, and one for whose ways there are no fds, takes sessions by
// the link alone: those of lane 0.
Result<void> Link::make_ways(const core::Lanes& lanes) {
  if (lanes.ways() == 1) return {};
  Outbox::Frame frame{.type = Type::kLanes,
                      .body = encode(protocol::Lanes{lanes.donor, lanes.heir})};
  std::vector<Way> ways;
  for (std::uint32_t w = 1; w < lanes.ways(); ++w) {
    auto pair = Channel::make_pair();
    if (!pair) return Failure(pair.error());
    auto peer = duplicate(peer_.get());
    if (!peer) return Failure(peer.error());
    ways.push_back({.lane = lanes.donor_lane(w),
                    .channel = Channel(std::move(pair->first)),
                    .peer = std::move(*peer),
                    .limits = limits_,
                    .share = lanes.share_of_way(w)});
    frame.fds.push_back(pair->second.get());
    frame.kept.push_back(std::move(pair->second));
  }
  share_ = lanes.share_of_way(0);
  has_ways_ = true;
  ways_ = std::move(ways);
  outbox_.push(std::move(frame));
  outbox_.flush();
  return {};
}

Result<void> Link::hear_ways(const protocol::Lanes& said, std::vector<UniqueFd>& fds) {
  const core::Lanes lanes{said.donor, said.heir};
  // For the owner before this one. What was answered to that one may have come to this one, too.
  if (!greeted_ || cut_ || lanes.heir != registry_.lanes) return {};
  if (is_way_ || !greets_ || lanes.donor == 0 || lanes.donor > core::kMaxLanes ||
      fds.size() + 1 != lanes.ways()) {
    return fail(HANDOFF_ERR_PROTOCOL, "Lanes over a link: " + std::to_string(fds.size()) +
                                          " ways from " + std::to_string(said.donor) +
                                          " lanes to " + std::to_string(said.heir));
  }
  std::vector<Way> ways;
  for (std::uint32_t w = 1; w < lanes.ways(); ++w) {
    auto peer = duplicate(peer_.get());
    if (!peer) return Failure(peer.error());
    ways.push_back({.lane = lanes.heir_lane(w),
                    .channel = Channel(std::move(fds[w - 1])),
                    .peer = std::move(*peer),
                    .limits = limits_,
                    .greets = true});
  }
  ways_ = std::move(ways);
  return {};
}

void Link::peer_exited() {
  peer_seen_ = true;
  outbox_.clear();
  taking_.feed({TE::kPeerExited});
  giving_.feed({GE::kPeerExited});
  reading_out_ = true;
  read(true);
  reading_out_ = false;
  taking_.feed({TE::kReadOut});
  giving_.feed({GE::kReadOut});
  taking_.drop_rest();
  // The heir of the other process may have spoken already.
  if (auto next = std::exchange(successor_, std::nullopt)) {
    cut_if_broken(greeted(std::move(next->first), std::move(next->second)));
  }
}

}  // namespace handoff::io
