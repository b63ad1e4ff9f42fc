// The way to a process that has changed its user, root or namespaces: a datagram socket that its
// supervisor made before the process was executed. The next supervisor puts a control socket into
// it. The process only reads, so it needs no path and no rights.
//
// A filter in the kernel drops every letter that does not have the mailbox's key, before it is
// queued. So a letter is a supervisor's, whatever its sender seems to be from another namespace.
#pragma once

#include <optional>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::io {

class Mailbox {
 public:
  Mailbox() = default;  // there is none
  // An Error: fd is no datagram socket.
  static Result<Mailbox> from(UniqueFd fd);

  bool known() const { return fd_.valid(); }
  // Readable when there is a letter.
  int fd() const { return fd_.get(); }
  // Empties the mailbox, and returns the newest control socket that a supervisor still has the
  // other end of; nullopt if there is none.
  std::optional<UniqueFd> take();

 private:
  explicit Mailbox(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace handoff::io
