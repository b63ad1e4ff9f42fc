// The processes that have sockets of this one open, too: a donor after the switch, until it has
// exited; an heir that has given up, until then; the late processes. What they do to a socket's
// O_NONBLOCK they do to this process's (service/nonblocking), so their ends are watched for.
#pragma once

#include <optional>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

class Sharers {
 public:
  static Result<Sharers> make();

  // Readable when turn() has something to find.
  int fd() const { return epoll_.get(); }
  // Takes both. channel: a donor closes it when it has retired, and its service has let go of the
  // sockets. Without memory the process is not watched.
  void add(UniqueFd pidfd, std::optional<Channel> channel = std::nullopt);
  // pidfd is borrowed.
  void add_copy(int pidfd);
  // Whether one of them has closed its channel, or has exited, since the last call.
  bool turn();

 private:
  struct Sharer {
    UniqueFd pidfd;
    std::optional<Channel> channel;
  };
  bool watch(int fd);
  void unwatch(int fd);

  UniqueFd epoll_;
  std::vector<Sharer> sharers_;
};

}  // namespace handoff::io
