#include "libhandoff/link/taking.h"

#include <utility>

#include "libhandoff/copy/donor_kinds.h"
#include "libhandoff/link/group_checksum.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using core::Code;
using protocol::Type;
using E = core::TakerEventType;

}  // namespace

void Taking::begin(core::Manifest giver, std::vector<std::uint32_t> versions) {
  taker_ = core::Taker();
  received_.reset();
  number_ = 0;
  giver_ = std::move(giver);
  versions_ = std::move(versions);
}

void Taking::feed(core::TakerEvent event) {
  for (const auto effect : taker_.step(event)) perform(effect);
}

void Taking::sent(Type type) {
  if (type == Type::kGroupResumed) feed({E::kResumedSent});
}

Result<void> Taking::sessions(const protocol::GroupSessions& message, std::vector<UniqueFd>& fds) {
  if (message.group > number_) {
    if (received_) return fail(HANDOFF_ERR_PROTOCOL, "a group within a group");
    number_ = message.group;
    checksum_ = 0;
    received_ = std::make_unique<SessionReceiver>(registry_, nullptr);
    restoring_ = false;
    auto mapped = map_kinds(registry_, giver_, versions_);
    if (!mapped) {
      feed({E::kRefused, to_reason(mapped.error())});
      return {};
    }
    received_->set_kinds(*mapped);
    if (!registry_.can_hold()) {
      feed({E::kRefused, {Code::kRejected, "this release takes no late sessions"}});
      return {};
    }
  } else if (!theirs(message.group)) {
    return {};  // the rest of one that was refused
  }
  checksum_ = add_checksum(checksum_, message.sessions);
  RingReceiver none;  // over a link everything is in the frame
  const auto applied = received_->apply(message.sessions, fds, none);
  if (applied) {
    feed({E::kSessions});
  } else {
    feed({E::kRefused, to_reason(applied.error())});
  }
  return {};
}

Result<void> Taking::prepare(const protocol::GroupPrepare& message) {
  if (!theirs(message.group)) return {};
  if (message.sessions != received_->sessions() || message.checksum != checksum_) {
    return fail(HANDOFF_ERR_PROTOCOL, "GroupPrepare: the count or the checksum is wrong");
  }
  feed({E::kPrepare});
  return {};
}

void Taking::giver_speaks() {
  if (!adopted_.empty()) mend_nonblocking(registry_, adopted_);
}

void Taking::release(const protocol::GroupRelease& message) {
  if (theirs(message.group)) feed({E::kRelease});
}

void Taking::aborted(protocol::GroupAbort message) {
  if (theirs(message.group)) feed({E::kPeerAborted, std::move(message.reason)});
}

void Taking::drop_rest() {
  if (received_) received_->drop();
  received_.reset();
}

void Taking::push(Type type, std::string body) {
  outbox_.push({.type = type, .body = std::move(body), .of = Outbox::Of::kTaking});
  outbox_.flush();
}

void Taking::perform(core::TakerEffect effect) {
  switch (effect) {
    case core::TakerEffect::kRestore:
      restoring_ = true;
      return restored(received_->restore());
    case core::TakerEffect::kSendPrepared:
      return push(Type::kGroupPrepared,
                  encode(protocol::GroupPrepared{number_, received_->sessions()}));
    case core::TakerEffect::kSendResumed:
      return push(Type::kGroupResumed, encode(protocol::GroupResumed{number_}));
    case core::TakerEffect::kAdopt:
      return adopt();
    case core::TakerEffect::kKeepWhole:
      received_->restore_what_can_be();
      registry_.log(HANDOFF_LOG_WARNING,
                    "a late process has died: " + std::to_string(received_->sessions()) +
                        " sessions that were on their way are kept");
      return adopt();
    case core::TakerEffect::kDrop:
      outbox_.forget(Outbox::Of::kTaking);
      return drop_rest();
    case core::TakerEffect::kSendAbort:
      outbox_.forget(Outbox::Of::kTaking);
      // Kept as a frame of the link, so that the drop that follows does not forget the abort.
      outbox_.push({.type = Type::kGroupAbort,
                    .body = encode(protocol::GroupAbort{number_, false, taker_.reason()})});
      return outbox_.flush();
    case core::TakerEffect::kReadOut:
      return;  // the link does it, for both halves
  }
}

void Taking::restored(const Result<void>& ok) {
  if (!restoring_ || (ok && received_->pending() > 0)) return;
  restoring_ = false;
  feed(ok ? core::TakerEvent{E::kRestored} : core::TakerEvent{E::kRefused, to_reason(ok.error())});
}

void Taking::answered(const Told::Answer& answer) {
  if (!received_) return;
  const auto was_its = received_->answered(answer);
  if (was_its) return restored({});
  // Also before GroupPrepare, where it was restored as it came.
  restoring_ = false;
  feed({E::kRefused, to_reason(was_its.error())});
}

void Taking::adopt() {
  adopted_ = received_->ids();
  received_->adopt();
  received_.reset();
  for (const std::uint64_t id : adopted_) {
    registry_.tell("thaw_session()",
                   [&] { registry_.callbacks.thaw_session(registry_.callbacks_user, id); });
  }
}

}  // namespace handoff::io
