// The named fds of a service and its regions, when they become its own or are let go.
#include <string>
#include <utility>

#include "libhandoff/service/registry.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

Result<void> Registry::bind_missing() {
  for (Region& region : regions) {
    if (region.owned() || region.taken()) continue;
    if (const auto ok = region.start_empty(); !ok) return ok;
  }
  for (auto& [name, entry] : named) {
    UniqueFd kept = std::move(entry.kept);
    if (entry.moved.valid()) {  // the donor has died before it gave its own
      kept = std::move(entry.moved);
      entry.kept_address = entry.moved_address;
    }
    if (entry.fd.valid() || entry.address.empty()) continue;
    if (kept.valid()) {
      entry.fd = std::move(kept);
      entry.address = entry.kept_address;
      continue;
    }
    const auto address = core::parse_address(entry.address);
    if (!address) return fail(-EINVAL, "listener '" + name + "': " + address.error());
    auto fd = bind_address(*address);
    if (!fd) return fail(fd.error().code, "listener '" + name + "': " + fd.error().message);
    entry.fd = std::move(*fd);
    entry.address = bound_address(entry.fd.get()).value_or(entry.address);
  }
  return {};
}

int Registry::named_fd(const std::string& name) const {
  const std::lock_guard lock(declared_.named_lock);
  const auto it = named.find(name);
  if (it == named.end()) return HANDOFF_ERR_UNKNOWN;
  return it->second.fd.valid() ? it->second.fd.get() : -ENOENT;
}

void Registry::close_named() {
  const std::lock_guard lock(declared_.named_lock);
  for (auto& [name, entry] : named) {
    entry.fd.reset();
    entry.kept.reset();
    entry.moved.reset();
    entry.earlier.clear();
  }
}

}  // namespace handoff::io
