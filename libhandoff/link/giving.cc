#include "libhandoff/link/giving.h"

#include <algorithm>
#include <utility>

#include "libhandoff/copy/session_record.h"
#include "libhandoff/link/group_checksum.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using core::Code;
using protocol::Type;
using E = core::GiverEventType;

// A group that was given up for time's sake is tried again after 50 ms, then after twice the time,
// up to 2 s: a taker that is busy for long isn't asked 20 times a second.
constexpr core::Duration kFirstRetry = 50'000;
constexpr core::Duration kLastRetry = 2'000'000;

}  // namespace

void Giving::begin(std::vector<std::uint32_t> versions, bool layers, bool session_fds) {
  layers_ = layers;
  giver_ = core::Giver(limits_);
  versions_ = std::move(versions);
  session_fds_ = session_fds;
  singly_ = false;
  retry_at_.reset();
  retry_after_ = 0;
  for (auto& [id, entry] : registry_.sessions) entry.refused = false;
}

void Giving::give(std::vector<std::uint64_t> ids) {
  group_ = std::move(ids);
  ++number_;
  retry_at_.reset();
  feed({E::kBegun});
}

bool Giving::can_give() const {
  return giver_.state() == core::GiverState::kIdle && (!retry_at_ || now_us() >= *retry_at_);
}

void Giving::feed(core::GiverEvent event) {
  for (const auto effect : giver_.step(event, now_us())) perform(effect);
}

void Giving::sent(Type type) {
  switch (type) {
    case Type::kGroupPrepare:
      return feed({E::kSent});
    case Type::kGroupRelease:
      return feed({E::kReleaseSent});
    case Type::kGroupAbort:
      return feed({E::kAbortSent});
    default:
      return;
  }
}

Result<void> Giving::prepared(const protocol::GroupPrepared& message) {
  if (!ours(message.group)) return {};
  if (message.sessions != group_.size()) {
    return fail(HANDOFF_ERR_PROTOCOL, "the taker is prepared for another number of sessions");
  }
  feed({E::kPrepared});
  return {};
}

void Giving::resumed(const protocol::GroupResumed& message) {
  if (ours(message.group)) feed({E::kResumed});
}

void Giving::refused(protocol::GroupAbort message) {
  if (!ours(message.group)) return;
  registry_.log(HANDOFF_LOG_WARNING, "a late session was refused: " + message.reason.text);
  if (group_.size() == 1 && registry_.sessions.contains(group_[0])) {
    registry_.sessions.at(group_[0]).refused = true;
    singly_ = false;
  } else {
    singly_ = true;
  }
  feed({E::kPeerAborted, std::move(message.reason)});
}

void Giving::push(Type type, std::string body) {
  outbox_.push({.type = type, .body = std::move(body), .of = Outbox::Of::kGiving});
}

void Giving::perform(core::GiverEffect effect) {
  switch (effect) {
    case core::GiverEffect::kFreeze:
      return freeze_and_send();
    case core::GiverEffect::kSendRelease:
      push(Type::kGroupRelease, encode(protocol::GroupRelease{number_}));
      return outbox_.flush();
    case core::GiverEffect::kSendAbort:
      outbox_.forget(Outbox::Of::kGiving);
      registry_.log(HANDOFF_LOG_WARNING, "late sessions stay for now: " + giver_.reason().text);
      push(Type::kGroupAbort, encode(protocol::GroupAbort{number_, true, giver_.reason()}));
      return outbox_.flush();
    case core::GiverEffect::kThaw:
      return take_back();
    case core::GiverEffect::kLetGo:
      return let_go();
    case core::GiverEffect::kReadOut:
      return;  // the link does it, for both halves
  }
}

void Giving::freeze_and_send() {
  const handoff_callbacks& callbacks = registry_.callbacks;
  const std::uint64_t frozen_at = now_ns();
  for (const std::uint64_t id : group_) {
    registry_.sessions.at(id).away = true;
    registry_.tell("freeze_session()",
                   [&] { callbacks.freeze_session(registry_.callbacks_user, id); });
  }
  std::uint64_t sum = 0;
  PackedSessions packed;
  handoff_saved saved;
  const auto push_packed = [&] {
    if (packed.body.empty()) return;
    sum = add_checksum(sum, packed.body);
    outbox_.push({.type = Type::kGroupSessions,
                  .body = encode(protocol::GroupSessions{number_, packed.body}),
                  .fds = std::move(packed.fds),
                  .kept = std::move(packed.blobs),
                  .of = Outbox::Of::kGiving,
                  .secret = packed.secret});
    if (packed.secret) wipe(packed.body);
    packed = {};
  };
  for (const std::uint64_t id : group_) {
    SessionEntry& entry = registry_.sessions.at(id);
    entry.nonblocking = entry.nonblocking || (!entry.no_fd && is_nonblocking(entry.fd));
    note_nonblocking(registry_, id);
    if (packed.fds.size() + fds_of_record(registry_, id) > protocol::kMaxFds) push_packed();
    auto ok = check_fd(registry_, id, entry);
    if (ok) ok = check_own_fds(registry_, id, entry, true);
    if (ok) ok = save_session(registry_, id, entry, versions_.at(entry.kind), saved);
    if (ok && !saved.layer.empty() && !layers_) {
      ok = fail(HANDOFF_ERR_REJECTED, registry_.describe(id, entry) +
                                          " has bytes of a layer, which the newer release does "
                                          "not take");
    }
    if (ok) ok = pack_session(registry_, id, entry, entry.kind, saved, true, packed);
    saved.layer.wipe();
    if (!ok) {
      entry.refused = true;
      return feed({E::kRefused, to_reason(ok.error())});
    }
    if (packed.body.size() >= protocol::kBatchBody) push_packed();
  }
  push_packed();
  push(Type::kGroupPrepare, encode(protocol::GroupPrepare{.group = number_,
                                                          .sessions = group_.size(),
                                                          .checksum = sum,
                                                          .frozen_at_ns = frozen_at}));
  outbox_.flush();
}

void Giving::take_back() {
  outbox_.forget(Outbox::Of::kGiving);
  if (giver_.reason().code == Code::kTimeout || singly_) {
    retry_after_ = std::clamp(2 * retry_after_, kFirstRetry, kLastRetry);
    retry_at_ = now_us() + retry_after_;
  }
  for (const std::uint64_t id : std::exchange(group_, {})) {
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end()) continue;
    it->second.away = false;
    mend_nonblocking(it->second);
    mend_own_fds(registry_, id);
    registry_.goes_on(id, it->second);
    registry_.tell("thaw_session()",
                   [&] { registry_.callbacks.thaw_session(registry_.callbacks_user, id); });
  }
}

void Giving::let_go() {
  retry_after_ = 0;
  for (const std::uint64_t id : std::exchange(group_, {})) {
    registry_.remove_session(id);
    ++moved_;
    registry_.tell("moved()", [&] { registry_.callbacks.moved(registry_.callbacks_user, id); });
  }
}

}  // namespace handoff::io
