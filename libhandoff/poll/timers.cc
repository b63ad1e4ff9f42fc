#include "libhandoff/poll/timers.h"

#include <algorithm>
#include <vector>

namespace handoff::poll {

void Timers::insert(std::uint64_t due, std::uint64_t id, const Timer& timer) {
  const auto at = due_.emplace(Key{due, id}, timer).first;
  try {
    when_[id] = due;
  } catch (...) {
    due_.erase(at);
    throw;
  }
}

std::uint64_t Timers::add(std::uint64_t now, std::uint64_t ms, bool every, Function f, void* user) {
  const std::uint64_t due = now + std::min(ms, UINT64_MAX - now);
  insert(due, last_id_ + 1,
         {.every = every ? std::max<std::uint64_t>(ms, 1) : 0, .f = f, .user = user});
  return ++last_id_;
}

bool Timers::cancel(std::uint64_t id) {
  const auto it = when_.find(id);
  if (it == when_.end()) return false;
  due_.erase({it->second, id});
  when_.erase(it);
  return true;
}

void Timers::run(std::uint64_t now) {
  std::vector<std::uint64_t> ids;
  for (const auto& [key, timer] : due_) {
    if (key.first > now) break;
    ids.push_back(key.second);
  }
  for (const std::uint64_t id : ids) {
    const auto it = when_.find(id);
    if (it == when_.end()) continue;  // cancelled by one before it
    const std::uint64_t due = it->second;
    const Timer timer = due_.at({due, id});
    if (timer.every == 0) {
      cancel(id);
    } else {
      // From when it was due, so that it does not drift; a loop that was late leaves turns out.
      const std::uint64_t left_out = (now - due) / timer.every;
      const std::uint64_t passed = due + left_out * timer.every;
      it->second = passed + std::min(timer.every, UINT64_MAX - passed);
      // The place that it has serves again: for want of memory it would not come back.
      auto place = due_.extract({due, id});
      place.key() = {it->second, id};
      due_.insert(std::move(place));
    }
    timer.f(timer.user);
  }
}

void Timers::clear() {
  due_.clear();
  when_.clear();
}

}  // namespace handoff::poll
