#include "libhandoff/handoff/retirement.h"

#include <time.h>

#include <unordered_set>

namespace handoff::io {

void let_heir_run() {
  const timespec moment{.tv_sec = 0, .tv_nsec = 1'000'000};
  (void)::nanosleep(&moment, nullptr);
}

void reset_all(Registry& registry, const std::vector<std::uint64_t>& ids) {
  for (const std::uint64_t id : ids) {
    const auto it = registry.sessions.find(id);
    if (it == registry.sessions.end()) continue;
    registry.log(HANDOFF_LOG_WARNING,
                 registry.describe(id, it->second) + " could not be moved: it is reset");
    reset_session(it->second, registry.sessions.fds().of(id));
  }
}

// A service without drop() closes the fd in moved(), if it has that.
void drop_all(Registry& registry, const std::vector<std::uint64_t>& ids) {
  const handoff_callbacks& callbacks = registry.callbacks;
  const auto drop = callbacks.drop != nullptr ? callbacks.drop : callbacks.moved;
  for (const std::uint64_t id : ids) {
    if (!registry.sessions.contains(id)) continue;
    registry.remove_session(id);
    if (drop != nullptr) registry.tell("drop()", [&] { drop(registry.callbacks_user, id); });
  }
}

void retire_all(Registry& registry, std::uint64_t lost) {
  registry.sessions.clear();
  registry.told.forget_all();
  const handoff_callbacks& callbacks = registry.callbacks;
  if (callbacks.retired == nullptr) return;
  registry.tell("retired()", [&] { callbacks.retired(registry.callbacks_user, lost); });
}

void retire_but(Registry& registry, const std::vector<std::uint64_t>& staying,
                const std::vector<std::uint64_t>& reset) {
  std::unordered_set<std::uint64_t> not_moved(staying.begin(), staying.end());
  not_moved.insert(reset.begin(), reset.end());
  std::vector<std::uint64_t> moved;
  for (const auto& [id, entry] : registry.sessions) {
    if (!not_moved.contains(id)) moved.push_back(id);
  }
  const handoff_callbacks& callbacks = registry.callbacks;
  registry.told.become_late();
  registry.tell("late()", [&] { callbacks.late(registry.callbacks_user, staying.size()); });
  for (const std::uint64_t id : moved) {
    registry.remove_session(id);
    registry.tell("moved()", [&] { callbacks.moved(registry.callbacks_user, id); });
  }
  drop_all(registry, reset);
}

}  // namespace handoff::io
