// The runtime folder, for one user and one supervisor: where operators and services connect to, and
// what the next supervisor should know. A lock in it tells a living supervisor from what a dead one
// has left.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

// $HANDOFF_RUNTIME_DIR, else /run/handoff for root, else $XDG_RUNTIME_DIR/handoff.
Result<std::string> runtime_path();
std::string control_path(const std::string& runtime);

// The state file (saved_state.h) of one folder, which stays open: for a thread of its own.
class StateFile {
 public:
  StateFile(UniqueFd folder, std::string path)
      : folder_(std::move(folder)), path_(std::move(path)) {}
  // Replaced as a whole or not at all.
  Result<void> save(const std::string& text) const;

 private:
  UniqueFd folder_;
  std::string path_;  // for messages
};

class RuntimeDir {
 public:
  // Creates it (0700) if need be; refuses one that others own or can enter; takes the lock, or the
  // one that its predecessor in this process held.
  static Result<RuntimeDir> open(const std::string& path, UniqueFd lock = {});
  // The state file of whoever holds the folder now; nullopt if there is none.
  static Result<std::optional<std::string>> peek(const std::string& path);
  RuntimeDir(RuntimeDir&& other) noexcept = default;
  RuntimeDir& operator=(RuntimeDir&&) = delete;
  ~RuntimeDir();  // removes the sockets

  const std::string& path() const { return path_; }
  // The sockets for operators (a stream) and for services that return (SEQPACKET): bound (0600) and
  // listening, in place of stale ones.
  // kept: the predecessor's, which stays as it is.
  Result<UniqueFd> listen_to_operators(UniqueFd kept = {});
  Result<UniqueFd> listen_to_services(UniqueFd kept = {});
  int lock() const { return lock_.get(); }
  // What is not any more where others look for it: somebody removed or moved it, or a socket could
  // not be bound yet.
  struct Missing {
    bool folder = false;
    bool lock = false;
    bool operators = false;
    bool services = false;
    bool any() const { return folder || lock || operators || services; }
  };
  Missing missing() const;
  // Makes folder and lock anew, as far as they are missing; sockets are bound after it.
  Result<void> make_anew();
  // Where services connect to.
  std::string report_path() const;

  Result<StateFile> state_file() const;
  // What the last one has saved; nullopt if there is none.
  Result<std::optional<std::string>> state() const { return load(); }
  // A state file that could not be understood is kept beside, for people.
  void set_state_aside() const;
  // Everything has ended in order: there is nothing to be known.
  void forget() const;

 private:
  RuntimeDir() = default;
  std::string path_;
  UniqueFd folder_;
  UniqueFd lock_;
  Result<void> open_folder();
  Result<void> take_lock();
  Result<UniqueFd> listen(const char* name, int type, UniqueFd kept);
  Result<std::optional<std::string>> load() const;
  std::map<std::string, ino_t> bound_;
};

// Checks a folder without creating or locking: what is wrong with it, or "".
std::string runtime_dir_problem(const std::string& path);

// A blocking connection to the control socket in that folder. Connecting, and each send later,
// takes 5 s at most.
Result<UniqueFd> connect_control(const std::string& runtime);

}  // namespace handoff::supervisor
