// The runtime folder: where the control socket lies, for one user and one supervisor. A lock in it
// tells a living supervisor from what a dead one has left.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace handoff::supervisor {

// $HANDOFF_RUNTIME_DIR, else /run/handoff for root, else $XDG_RUNTIME_DIR/handoff.
Result<std::string> runtime_path();
std::string control_path(const std::string& runtime);

class RuntimeDir {
 public:
  // Creates it (0700) if need be; refuses one that others own or can enter; takes the lock.
  static Result<RuntimeDir> open(const std::string& path);
  RuntimeDir(RuntimeDir&& other) noexcept = default;
  RuntimeDir& operator=(RuntimeDir&&) = delete;
  ~RuntimeDir();  // removes the control socket

  const std::string& path() const { return path_; }
  // The control socket, bound (0600) and listening; in place of a stale one.
  Result<UniqueFd> listen();

 private:
  RuntimeDir() = default;
  std::string path_;
  UniqueFd folder_;
  UniqueFd lock_;
  bool bound_ = false;
};

// Checks a folder without creating or locking: what is wrong with it, or "".
std::string runtime_dir_problem(const std::string& path);

// A blocking connection to the control socket in that folder.
Result<UniqueFd> connect_control(const std::string& runtime);

}  // namespace handoff::supervisor
