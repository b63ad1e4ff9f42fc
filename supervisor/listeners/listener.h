// A socket that the supervisor binds and keeps for as long as it lives, so that a service that is
// down, or being replaced, refuses nobody: connections wait in the kernel's queue.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/config/address.h"
#include "supervisor/listeners/socket_path.h"

namespace handoff::supervisor {

class Listener {
 public:
  // Binds and listens. A Unix socket's path that nobody listens on any more is replaced, one that
  // is in use or is no socket is not.
  // spare: what the second name of a Unix socket begins with, see socket_path.h.
  static Result<Listener> open(const NamedAddress& named, const std::string& spare = "");
  // Takes fd, which must be a socket that listens at that address, whatever has become of its path.
  // Its options are as they were: set() changes them.
  static Result<Listener> adopt(const NamedAddress& named, UniqueFd fd,
                                const std::string& spare = "");

  Listener(Listener&&) noexcept = default;  // the destructor removes its path
  Listener& operator=(Listener&&) = delete;
  ~Listener() = default;

  // Changes what can be changed of a socket that is bound: mode, owner, backlog.
  Result<void> set(const ListenerOptions& options);
  // Whether set() has set these last. False of a socket that was taken over.
  bool is_set(const ListenerOptions& options) const { return options_ == options; }

  // As status and plan tell it: what is written in another way is the same place.
  bool is_at(const core::Address& said) const;

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }  // with the real port
  const core::Address& asked() const { return asked_; }    // as the configuration had it
  int fd() const { return fd_.get(); }
  ino_t inode() const { return inode_; }  // its identity (I6, docs/invariants.md)
  dev_t device() const { return device_; }
  // Nobody comes by its path any more; the socket listens on.
  void leave_path() { path_ = SocketPath(); }
  SocketPath& path() { return path_; }
  const SocketPath& path() const { return path_; }

 private:
  Listener() = default;
  static Result<Listener> describe(const NamedAddress& named, UniqueFd fd, const std::string& spare,
                                   bool fresh);

  UniqueFd fd_;
  std::string name_;
  std::string address_;
  core::Address asked_;
  ino_t inode_ = 0;
  dev_t device_ = 0;
  std::optional<ListenerOptions> options_;
  SocketPath path_;
};

}  // namespace handoff::supervisor
