// The fds of sessions beside their sockets: a service names them, an heir takes them.
#include <algorithm>

#include "libhandoff/core/address.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

void reset_session(const SessionEntry& entry, const SessionFds::List& others) {
  if (entry.fd >= 0) reset_connection(entry.fd);
  for (const SessionFd& one : others) {
    if (is_still(one)) reset_connection(one.number());
  }
}

bool is_still(const SessionFd& one) {
  const auto identity = identity_of(one.number());
  return identity && identity->inode == one.inode && identity->device == one.device;
}

Result<void> Registry::set_fd(std::uint64_t id, const std::string& name, int fd) {
  if (!core::valid_name(name)) {
    return fail(-EINVAL,
                "the name '" + name +
                    "' of a session's fd must be 1 to 64 of letters, digits, '.', '_', '-'");
  }
  const bool here = sessions.contains(id);
  if (!here && (arriving == nullptr || !arriving->contains(id))) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  Sessions& set = here ? sessions : *arriving;
  SessionEntry& entry = set.at(id);
  if (entry.away) return fail(-EBUSY, "session " + std::to_string(id) + " is frozen");
  const std::string what = "'" + name + "' of " + describe(id, entry.kind);
  if (fd < 0) {
    if (!set.fds().remove(id, name)) return fail(-ENOENT, "there is no fd " + what);
  } else {
    const auto identity = identity_of(fd);
    if (!identity)
      return fail(identity.error().code, "fd " + what + ": " + identity.error().message);
    if (!can_be_passed(fd)) {
      return fail(-EINVAL, "fd " + what + ": the kernel passes no io_uring to another process");
    }
    const auto& list = set.fds().of(id);
    const bool known = set.fds().find(id, name) != nullptr;
    if (!known && list.size() == protocol::kMaxSessionFds) {
      return fail(-E2BIG, "a session has at most " + std::to_string(protocol::kMaxSessionFds) +
                              " fds beside its socket");
    }
    const bool twice =
        fd == entry.fd || std::any_of(list.begin(), list.end(), [&](const SessionFd& one) {
          return one.fd == fd && one.name != name;
        });
    if (twice) {
      return fail(HANDOFF_ERR_DUPLICATE,
                  "fd " + std::to_string(fd) + " is the session's by another name: " + what);
    }
    set.fds().set(id,
                  {.name = name, .inode = identity->inode, .device = identity->device, .fd = fd});
  }
  if (here && observer != nullptr) observer->session_changed(id, entry);
  return {};
}

Result<int> Registry::take_fd(std::uint64_t id, const std::string& name) {
  if (arriving == nullptr || !arriving->contains(id)) {
    return fail(HANDOFF_ERR_ORDER,
                "the fds of a session are taken inside its restore() or update()");
  }
  SessionFd* const one = arriving->fds().find(id, name);
  if (one == nullptr || !one->untaken.valid()) {
    return fail(-ENOENT, "session " + std::to_string(id) + " has no fd '" + name + "' to be taken");
  }
  one->fd = one->untaken.release();
  return one->fd;
}

}  // namespace handoff::io
