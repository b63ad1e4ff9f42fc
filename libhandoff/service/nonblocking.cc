#include "libhandoff/service/nonblocking.h"

#include <fcntl.h>

#include <cstddef>
#include <string>

#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

// A process that clears the flag does so for all that it closes, so a few tell.
constexpr std::size_t kSample = 64;

bool set_again(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

std::uint64_t mend_named(Registry& registry) {
  std::uint64_t mended = 0;
  for (auto& [name, entry] : registry.named) {
    if (entry.nonblocking && entry.fd.valid() && set_again(entry.fd.get())) ++mended;
  }
  return mended;
}

std::uint64_t mend_sessions(Registry& registry, std::size_t limit) {
  std::uint64_t mended = 0;
  for (auto& [id, entry] : registry.sessions) {
    if (!entry.nonblocking && !registry.sessions.has_own_fds(id, entry)) continue;
    if (limit-- == 0) break;
    if (mend_nonblocking(entry)) ++mended;
    mended += mend_own_fds(registry, id);
  }
  return mended;
}

void tell(Registry& registry, std::uint64_t mended) {
  if (mended == 0) return;
  registry.log(HANDOFF_LOG_WARNING, "another process had cleared O_NONBLOCK on " +
                                        std::to_string(mended) +
                                        (mended == 1 ? " socket" : " sockets") +
                                        " that it shared with this one; it is set again");
}

}  // namespace

bool is_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

bool mend_nonblocking(const SessionEntry& entry) {
  if (!entry.nonblocking || is_nonblocking(entry.fd)) return false;
  const auto identity = identity_of(entry.fd);
  return identity && identity->inode == entry.inode && set_again(entry.fd);
}

void note_nonblocking(Registry& registry, std::uint64_t id) {
  for (SessionFd& one : registry.sessions.fds().of(id)) {
    one.nonblocking = one.nonblocking || is_nonblocking(one.fd);
  }
}

std::uint64_t mend_own_fds(Registry& registry, std::uint64_t id) {
  std::uint64_t mended = 0;
  for (const SessionFd& one : registry.sessions.fds().of(id)) {
    if (one.nonblocking && is_still(one) && set_again(one.fd)) ++mended;
  }
  return mended;
}

void set_nonblocking_again(Registry& registry, bool named) {
  const std::uint64_t mended = named ? mend_named(registry) : 0;
  tell(registry, mended + mend_sessions(registry, registry.sessions.size()));
}

void look_at_nonblocking(Registry& registry, bool named) {
  std::uint64_t mended = named ? mend_named(registry) : 0;
  mended += mend_sessions(registry, kSample);
  if (mended > 0) mended += mend_sessions(registry, registry.sessions.size());
  tell(registry, mended);
}

}  // namespace handoff::io
