// The part of Registry that goes by what other threads have said of sessions: which of them have
// changed, and which are at rest.
#include <utility>

#include "libhandoff/base/description.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

bool Registry::has_snapshot(std::uint64_t id, const SessionEntry& entry) const {
  return !format_of(entry.kind).no_snapshots && (callbacks.save != nullptr || told.has(id));
}

// What was put before the freeze began may have changed since.
bool Registry::is_at_rest(std::uint64_t id, const SessionEntry& entry) const {
  return told.rests(id) || (has_snapshot(id, entry) && !told.has(id));
}

bool Registry::can_leave(std::uint64_t id) const {
  return told.has(id) ? told.rests(id) : callbacks.save != nullptr;
}

void Registry::await_rest(std::uint64_t id, SessionEntry& entry) {
  if (std::exchange(entry.unrested, true)) return;
  entry.hold_until = 0;
  sessions.hold(entry, true);
  told.await_rest(id);
}

void Registry::goes_on(std::uint64_t id, SessionEntry& entry) {
  const bool awaited = std::exchange(entry.unrested, false);
  if (awaited) sessions.hold(entry, false);
  told.goes_on(id);
  if (told.late() && !entry.held && !entry.stays && !can_leave(id)) await_rest(id, entry);
}

bool Registry::release_rested(const std::vector<std::uint64_t>& ids) {
  bool released = false;
  for (const std::uint64_t id : ids) {
    const auto it = sessions.find(id);
    if (it == sessions.end() || !it->second.unrested || !told.rests(id)) continue;
    it->second.unrested = false;
    sessions.hold(it->second, false);
    told.await_no_rest(id);
    released = true;
  }
  return released;
}

std::vector<std::uint64_t> Registry::touch_what_was_put(
    const std::function<bool(std::uint64_t id)>& comes) {
  if (!told.has_news()) return {};
  std::vector<std::uint64_t> ids = told.take_changed();
  std::erase_if(ids, [&](std::uint64_t id) {
    if (sessions.contains(id)) return false;
    if (!comes || !comes(id)) told.forget(id);
    return true;
  });
  for (const std::uint64_t id : ids) (void)touch_session(id);
  return ids;
}

bool Registry::restore_ended(const Told::Answer& answer) {
  const auto it = restoring.find(answer.session);
  if (it == restoring.end()) return false;
  if (answer.result >= 0) {
    if (--it->second == 0) restoring.erase(it);
    return true;
  }
  restoring.erase(it);
  const auto session = sessions.find(answer.session);
  if (session == sessions.end()) return true;
  // Nobody else has it. As of a restore() that fails, what the service did not take is closed.
  const SessionEntry entry = session->second;
  log(HANDOFF_LOG_ERROR,
      "restore() of " + describe(answer.session, entry) + " failed, and its donor is gone: " +
          (answer.why.empty() ? description(answer.result) : answer.why) + "; it is reset");
  reset_session(entry, sessions.fds().of(answer.session));
  remove_session(answer.session);
  lost_later.push_back(answer.session);
  if (callbacks.drop != nullptr) {
    tell("drop()", [&] { callbacks.drop(callbacks_user, answer.session); });
  }
  if (entry.no_fd) return true;
  const auto identity = identity_of(entry.fd);
  if (identity && identity->inode == entry.inode) UniqueFd(entry.fd).reset();
  return true;
}

}  // namespace handoff::io
