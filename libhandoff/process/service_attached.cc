// Fds of any kind that the service gives the library by a claimed name, to be handed over with the
// rest, and takes back.
#include <utility>

#include "libhandoff/process/service.h"

namespace handoff::io {

Result<void> Service::attach(const std::string& name, int fd) {
  const auto it = registry_.named.find(name);
  if (it == registry_.named.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "'" + name + "' was not declared with handoff_claim()");
  }
  if (it->second.fd.valid()) return fail(HANDOFF_ERR_DUPLICATE, "'" + name + "' has an fd");
  if (donor_) return fail(-EBUSY, "a handoff is under way");
  const std::lock_guard lock(declared_.named_lock);
  it->second.fd = UniqueFd(fd);
  return {};
}

Result<UniqueFd> Service::detach(const std::string& name) {
  const auto it = registry_.named.find(name);
  if (it == registry_.named.end() || !it->second.address.empty()) {
    return fail(HANDOFF_ERR_UNKNOWN, "'" + name + "' was not declared with handoff_claim()");
  }
  if (!it->second.fd.valid()) return fail(-ENOENT, "'" + name + "' has no fd");
  if (donor_) return fail(-EBUSY, "a handoff is under way");
  const std::lock_guard lock(declared_.named_lock);
  return std::move(it->second.fd);
}

}  // namespace handoff::io
