#include "libhandoff/service/nonblocking.h"

#include <fcntl.h>

#include <cstddef>
#include <string>

#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

// Most processes that clear the flag do so for all that they close, so a few tell. One look costs
// 0.1 to 0.2 us.
constexpr std::size_t kAtOnce = 256;

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

std::uint64_t mend_sessions(Registry& registry) {
  std::uint64_t mended = 0;
  for (auto& [id, entry] : registry.sessions) {
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

void mend_nonblocking(Registry& registry, const std::vector<std::uint64_t>& ids) {
  std::uint64_t mended = 0;
  for (const std::uint64_t id : ids) {
    const auto it = registry.sessions.find(id);
    if (it == registry.sessions.end()) continue;
    if (mend_nonblocking(it->second)) ++mended;
    mended += mend_own_fds(registry, id);
  }
  tell(registry, mended);
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
  tell(registry, mended + mend_sessions(registry));
}

void NonblockingLook::begin(Registry& registry, bool named) {
  look(registry, at_.emplace(), named ? mend_named(registry) : 0);
}

bool NonblockingLook::turn(Registry& registry) {
  if (at_) look(registry, *at_, 0);
  return at_.has_value();
}

void NonblockingLook::look(Registry& registry, Sessions::Walk& at, std::uint64_t mended) {
  const bool more = registry.sessions.walk(at, kAtOnce, [&](std::uint64_t id, SessionEntry& entry) {
    if (mend_nonblocking(entry)) ++mended;
    mended += mend_own_fds(registry, id);
  });
  if (mended > 0) mended += mend_sessions(registry);
  if (!more || mended > 0) at_.reset();
  tell(registry, mended);
}

}  // namespace handoff::io
