// One epoll set with a deadline; its fd is handoff_fd(). Level-triggered. A wait names the fds by
// role, so that no caller keeps fd numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/types.h"

namespace handoff::io {

enum class Role : std::uint8_t {
  kControl,
  kReconnect,
  kMail,
  kChannel,
  kLanes,
  kPeer,
  kLinks,
  kSharers,
  kTimer,
  kWake
};

class Poller {
 public:
  static Result<Poller> make();

  int fd() const { return epoll_.get(); }
  // Watches fd (borrowed) for reading, and for writing if asked to. A second call for the role
  // replaces the first.
  Result<void> watch(Role role, int fd, bool write);
  void unwatch(Role role);
  // Absolute, in now_us() time; nullopt for none.
  void set_deadline(std::optional<core::Time> deadline);
  // Makes the fd readable until the next wait(). Any thread.
  void wake() const;
  // The roles that are ready, in the order of Role. timeout_ms: -1 for no limit but the deadline's.
  Result<std::vector<Role>> wait(int timeout_ms);

 private:
  UniqueFd epoll_;
  UniqueFd timer_;
  UniqueFd wake_;
  std::optional<core::Time> deadline_;
  struct Watched {
    Role role;
    int fd;
    bool write;
  };
  std::vector<Watched> watched_;
};

}  // namespace handoff::io
