// The part of Registry that goes by what other threads have said of sessions: which of them have
// changed, and which are at rest.
#include "libhandoff/service/registry.h"

#include <utility>

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

std::vector<std::uint64_t> Registry::touch_what_was_put() {
  if (!told.has_news()) return {};
  std::vector<std::uint64_t> ids = told.take_changed();
  // One that is on its way to this process is none yet.
  std::erase_if(ids, [this](std::uint64_t id) { return !sessions.contains(id); });
  for (const std::uint64_t id : ids) (void)touch_session(id);
  return ids;
}

}  // namespace handoff::io
