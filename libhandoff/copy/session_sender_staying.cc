// The part of SessionSender that leaves sessions behind: those that stay, and those that can't be
// moved.
#include <algorithm>
#include <string>
#include <utility>

#include "libhandoff/copy/session_sender.h"
#include "libhandoff/core/spread.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

// What stays is decided here, with everything at rest. The heir drops what it has of it.
void SessionSender::leave_behind() {
  const auto n = static_cast<std::ptrdiff_t>(registry_.kinds.size());
  const bool all_kinds = std::find(terms_.versions.begin(), terms_.versions.begin() + n, 0U) ==
                         terms_.versions.begin() + n;
  const bool none = registry_.sessions.held() == 0 && registry_.sessions.stay() == 0;
  if (none && terms_.spread == 0 && all_kinds && left_.empty()) return;
  for (auto& [id, entry] : registry_.sessions) {
    if (share_.has(id) && stays(id, entry)) will_stay(id, entry);
  }
}

// In the freeze.
void SessionSender::will_stay(std::uint64_t id, SessionEntry& entry) {
  const bool closes = terms_.unmovable == core::Unmovable::kClose && !stays_by_itself(id, entry);
  (closes ? closing_ : staying_).push_back(id);
  if (!entry.copied) return;
  closed_.push_back(id);
  entry.copied = false;
}

void SessionSender::leave_too_large() {
  if (terms_.unmovable == core::Unmovable::kRefuse) return;
  for (const auto& session : too_large()) {
    left_.add(session.id, registry_.sessions.at(session.id), core::FaultOf::kOld,
              why_too_large(session));
  }
}

std::vector<core::FreezeRoom::Session> SessionSender::too_large() const {
  std::vector<core::FreezeRoom::Session> waiting;
  for (const auto& [id, bytes] : large_) {
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end() || stays(id, it->second)) continue;
    // One that is not tracked is saved and hashed; perhaps it need not be sent.
    if (it->second.queued) waiting.push_back({id, bytes});
    if (!it->second.queued && !it->second.tracked) waiting.push_back({id, bytes / 2});
  }
  return room().too_large(std::move(waiting), terms_.part);
}

// The heir of a rehearsal acknowledges nothing behind the round: it is taken to need as long for
// the sample as this side.
core::FreezeRoom SessionSender::room() const {
  core::FreezeRoom room = room_;
  if (sample_ && !room.known()) room.measured(sample_->bytes, 2 * sample_->took_ns);
  return room;
}

std::string SessionSender::why_too_large(const core::FreezeRoom::Session& session) const {
  return "its " + std::to_string(session.bytes) +
         " bytes have changed since they were copied, and to copy them again would take about " +
         std::to_string(room().takes_ns(session.bytes) / 1'000'000) + " ms of a freeze budget of " +
         std::to_string(terms_.budget / 1000) + " ms" +
         (terms_.part == terms_.budget ? "" : " for all lanes");
}

void SessionSender::leave(std::uint64_t id, SessionEntry& entry, core::FaultOf fault,
                          std::string reason) {
  if (!left_.add(id, entry, fault, std::move(reason))) return;
  if (round_ == Round::kFrozen) will_stay(id, entry);
}

void SessionSender::refused(std::uint64_t id, const std::string& reason, bool after_delta) {
  const auto it = registry_.sessions.find(id);
  if (it == registry_.sessions.end() || !it->second.copied) return;  // the heir has none such
  // Before the freeze the heir is told in the freeze.
  if (!after_delta) return leave(id, it->second, core::FaultOf::kNew, reason);
  if (!left_.add(id, it->second, core::FaultOf::kNew, reason)) return;
  (terms_.unmovable == core::Unmovable::kClose ? closing_ : staying_).push_back(id);
  --at_heir_;
}

// For want of memory or fds the others would fail as well, an fd that is another socket's by now
// can't be served by anybody, and of a kind that is not claimed another policy has decided.
bool SessionSender::may_leave(const Error& error) const {
  return terms_.unmovable != core::Unmovable::kRefuse && !is_shortage(error.code) &&
         error.code != HANDOFF_ERR_IDENTITY && error.code != HANDOFF_ERR_UNKNOWN;
}

bool SessionSender::stays_by_itself(std::uint64_t id, const SessionEntry& entry) const {
  return entry.held || entry.stays || terms_.versions[entry.kind] == 0 ||
         (terms_.spread != 0 && !core::is_the_newer_ones(id, terms_.spread));
}

void SessionSender::note_staying(std::uint64_t id, const SessionEntry& entry) {
  if (rehearsal_ == nullptr) return;
  ++rehearsal_->notes.busy;
  if (!entry.stays) return;
  core::add(rehearsal_->notes.staying, {registry_.sessions.why_it_stays(id), 1});
}

Failure SessionSender::can_not_stay(std::uint64_t id, const SessionEntry& entry) const {
  return fail(HANDOFF_ERR_UNKNOWN, "the new release does not claim " +
                                       registry_.describe(id, entry.kind) +
                                       ", which can't stay here: " + terms_.no_stay);
}

// Goes on without a session that failed, or fails.
Result<void> SessionSender::without(std::uint64_t id, SessionEntry& entry, const Error& error) {
  if (rehearsal_ != nullptr) {
    const std::string what = "session kind '" + registry_.kinds[entry.kind].name + "'";
    if (!rehearsal_->refuse_session(id, what, peer_of(entry), error)) return Failure(error);
    entry.queued = false;
    return {};
  }
  if (may_leave(error)) {
    entry.queued = false;
    const bool unknown = error.code == HANDOFF_ERR_VERSION;
    leave(id, entry, unknown ? core::FaultOf::kNew : core::FaultOf::kOld, error.message);
    return {};
  }
  const bool policy = is_shortage(error.code) || error.code == HANDOFF_ERR_UNKNOWN;
  if (terms_.not_late.empty() || policy) return Failure(error);
  return fail(error.code, error.message + "; and the session can't stay, since " + terms_.not_late);
}

}  // namespace handoff::io
