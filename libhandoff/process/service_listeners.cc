// The listeners that the supervisor has for this process: offered by name as soon as the service is
// open, given to the names that are declared, and given back where they are not wanted.
#include <algorithm>
#include <utility>

#include "libhandoff/process/service.h"

namespace handoff::io {

const protocol::Named* Service::offer(std::size_t index) const {
  return index < offers_.offered.size() ? &offers_.offered[index] : nullptr;
}

Result<void> Service::give_back(const std::string& name, bool drop) {
  const auto is_it = [&name](const protocol::Named& named) { return named.name == name; };
  if (std::none_of(offers_.offered.begin(), offers_.offered.end(), is_it)) {
    return fail(HANDOFF_ERR_UNKNOWN, "no listener '" + name + "' is offered to this process");
  }
  if (declared_.named.contains(name) || declared_.given_back.contains(name)) {
    return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' is declared already");
  }
  declared_.given_back.emplace(name, drop);
  return {};
}

Result<void> Service::take_offers() {
  for (auto& [named, fd] : offers_.listeners) {
    if (declared_.given_back.contains(named.name)) continue;
    auto ok = registry_.give_listener(named.name, named.address, std::move(fd));
    if (!ok) return ok;
  }
  for (auto& [named, fd] : offers_.kept) {
    registry_.keep_listener(named.name, named.address, std::move(fd));
  }
  for (auto& [named, fd] : offers_.moved) {
    registry_.move_listener(named.name, named.address, std::move(fd));
  }
  for (auto& [named, fd] : offers_.before) {
    registry_.add_earlier(named.name, named.address, std::move(fd));
  }
  for (const protocol::Named& named : offers_.offered) {
    const auto it = declared_.named.find(named.name);
    if (it != declared_.named.end()) it->second.offered = true;
  }
  // What is not declared is closed: the supervisor has it.
  offers_.listeners.clear();
  offers_.kept.clear();
  offers_.moved.clear();
  offers_.before.clear();
  return {};
}

void Service::tell_who_waits() {
  if (state_ == HANDOFF_STATE_HEIR) return;  // it could not take one yet
  if (std::exchange(told_who_waits_, true)) return;
  for (const auto& [name, entry] : declared_.named) {
    if (entry.earlier.empty()) continue;
    registry_.log(HANDOFF_LOG_WARNING, "listener '" + name + "' has moved to " + entry.address +
                                           ", and nobody accepts those who wait at " +
                                           entry.earlier.front().address +
                                           ": handoff_take_earlier() gives that one");
  }
}

Result<UniqueFd> Service::take_earlier(const std::string& name) {
  if (state_ == HANDOFF_STATE_DECLARING || state_ == HANDOFF_STATE_HEIR) {
    return fail(HANDOFF_ERR_ORDER, "handoff_wait() comes before handoff_take_earlier()");
  }
  const auto it = declared_.named.find(name);
  if (it == declared_.named.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "'" + name + "' was not declared");
  }
  const std::lock_guard lock(declared_.named_lock);
  auto& earlier = it->second.earlier;
  if (earlier.empty()) return fail(-ENOENT, "'" + name + "' has no earlier address");
  UniqueFd fd = std::move(earlier.back().fd);
  earlier.pop_back();
  return fd;
}

}  // namespace handoff::io
