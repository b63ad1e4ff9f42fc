// The part of SessionReceiver that is about fds: those that a session has beside its socket, and
// the sockets of sessions that were refused.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/base/text.h"
#include "libhandoff/copy/session_receiver.h"
#include "libhandoff/core/address.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

// Another fd of the same socket; none if that number is something else by now, or no socket. A
// second fd of a pipe would keep its end from who reads there.
UniqueFd another_fd(int fd, std::uint64_t inode) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  struct stat now {};
  if (!copy.valid() || ::fstat(copy.get(), &now) < 0) return {};
  if (!S_ISSOCK(now.st_mode) || now.st_ino != inode) return {};
  return copy;
}

}  // namespace

Result<void> SessionReceiver::stage_own_fds(const protocol::Session& record, bool refused,
                                            std::vector<UniqueFd>& fds, std::size_t& next_fd) {
  if (record.fds.empty() && arrived_.fds().of(record.id).empty()) return {};
  const auto malformed_fd = [&](const std::string& name, const char* what) {
    return fail(HANDOFF_ERR_PROTOCOL,
                "session " + std::to_string(record.id) + ": fd '" + printable(name) + "' " + what);
  };
  SessionFds::List now;
  for (const protocol::SessionFd& of_record : record.fds) {
    const std::string& name = of_record.name;
    if (!core::valid_name(name)) return malformed_fd(name, "has no possible name");
    const auto same = [&](const SessionFd& other) { return other.name == name; };
    if (std::any_of(now.begin(), now.end(), same)) return malformed_fd(name, "is there twice");
    if (!of_record.sent) {
      SessionFd* const here = arrived_.fds().find(record.id, name);
      if (refused) continue;
      if (here == nullptr) return malformed_fd(name, "was never sent");
      now.push_back(std::move(*here));
      here->name.clear();
      continue;
    }
    if (next_fd >= fds.size()) return malformed_fd(name, "did not come");
    UniqueFd fd = std::move(fds[next_fd++]);
    SessionFd one{.name = name,
                  .inode = of_record.inode,
                  .device = of_record.device,
                  .nonblocking = is_nonblocking(fd.get()),
                  .untaken = std::move(fd)};
    if (!is_still(one)) {
      return fail(HANDOFF_ERR_IDENTITY,
                  "session " + std::to_string(record.id) + ": fd '" + name +
                      "' is not the one announced; has the donor closed it without "
                      "handoff_session_fd()?");
    }
    now.push_back(std::move(one));
  }
  if (!refused) arrived_.fds().replace(record.id, std::move(now));
  return {};
}

// restore() may have closed its fds, and their numbers may be other files'. Without an fd to spare
// the end of the donor would be a FIN to the client.
void SessionReceiver::keep_sockets(std::uint64_t id, const SessionEntry& entry) {
  std::vector<UniqueFd> kept;
  if (!entry.no_fd) kept.push_back(another_fd(entry.fd, entry.inode));
  for (const SessionFd& one : arrived_.fds().of(id)) {
    kept.push_back(another_fd(one.number(), one.inode));
  }
  std::erase_if(kept, [](const UniqueFd& fd) { return !fd.valid(); });
  if (!kept.empty()) refused_sockets_[id] = std::move(kept);
}

void SessionReceiver::reset_refused(std::uint64_t id) {
  const auto it = refused_sockets_.find(id);
  if (it == refused_sockets_.end()) return;
  for (const UniqueFd& fd : it->second) reset_connection(fd.get());
}

}  // namespace handoff::io
