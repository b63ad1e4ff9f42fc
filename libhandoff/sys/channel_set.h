// The channels of one lane, watched together: an epoll set that the lane's poller watches as one
// fd. The set does not say which channel is ready: there are few, so the lane looks at all of them.
#pragma once

#include <map>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::io {

class ChannelSet {
 public:
  static Result<ChannelSet> make();

  int fd() const { return epoll_.get(); }
  // Watches fd (borrowed) for reading, and for writing if asked to. A second call changes the
  // first.
  Result<void> watch(int fd, bool write);
  void unwatch(int fd);

 private:
  UniqueFd epoll_;
  std::map<int, bool> watched_;  // by fd: whether it is watched for writing, too
};

}  // namespace handoff::io
