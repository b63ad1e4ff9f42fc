// The keeper: a tiny process that shares the service's table of fds, so that the service's sockets
// outlive it, and gives them to whoever recovers.
//
// clone(2) with CLONE_FILES makes it: a connection that the service accepts is in the table at
// once, and one that it closes is closed, with no word to the keeper. CLONE_PARENT makes it a child
// of the supervisor. It has a copy of what memory the service had at handoff_open(), so that comes
// early.
//
// A supervisor may die, and the next one is to find the keeper. So the keeper has a mailbox
// (process/mailbox.h), into which a supervisor puts its end of a SOCK_SEQPACKET pair: the keeper
// hears one at a time, the newest. By one byte it is asked:
//
//   'g'  give: answered by messages {uint32 n; int32 numbers[n]}, n at most kKeeperBatch, with n
//   fds
//        by SCM_RIGHTS, in any order. The last one has n = 0. While the service lives, and does not
//        dump its core, the answer is one message with n = kKeeperBusy. May be asked again
//   'm'  the memory: one message as above, n = 1, with the vault's; at any time
//   'x'  exit
//
// Once the service is dead and nobody has asked for a while, it lets go.
//
// Only sockets are given. The sequenced ones of the library (the control socket, channels) are
// closed as soon as the service is dead: their other ends wait for that.
//
// The keeper allocates nothing, opens nothing after its start, holds no capability and may call a
// dozen system calls (seccomp(2)). Its own fds have numbers in the table of the service, which may
// close them (closefrom(3)): it looks at what they are before it uses them, and ends if they are
// not its own any more. It ends, too, where the service has a table of its own by now (execve(2)).
// A keeper may not ask that of a service that has capabilities (kcmp(2)), and does not notice it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::vault {

inline constexpr std::uint32_t kKeeperBatch = 250;
inline constexpr std::uint32_t kKeeperBusy = UINT32_MAX;
inline constexpr std::uint32_t kKeeperBegins = UINT32_MAX - 1;
// How long it waits once nobody is left who could ask.
inline constexpr int kOrphanMs = 60'000;

class Keeper {
 public:
  // Starts one for this process. Takes control, a mailbox or one end of a pair, which stays open in
  // the table. memory, the vault's, is borrowed for the process's life; -1: there is none to give.
  // An Error says why there can be none.
  static Result<Keeper> start(UniqueFd control, int memory = -1);
  Keeper(Keeper&& other) noexcept;
  Keeper& operator=(Keeper&&) = delete;
  ~Keeper();

  pid_t pid() const { return pid_; }
  // There is nothing to be kept any more: it ends when this process does, or within 2 s.
  void dismiss() const;

 private:
  struct Shared;
  Keeper() = default;
  [[noreturn]] static void keep(Shared& shared);

  Shared* shared_ = nullptr;
  pid_t pid_ = -1;
};

// What a keeper gave: fds by the numbers that they had in the service.
using Kept = std::map<int, UniqueFd>;
// Asks the keeper at the other end of socket (borrowed) and waits, timeout_ms at most. -EBUSY: the
// service lives. -EPIPE: the keeper has gone.
Result<Kept> ask_keeper(int socket, int timeout_ms);
// Its vault's memory, likewise; the service may live.
Result<UniqueFd> ask_for_memory(int socket, int timeout_ms);
// Tells it to exit.
void dismiss_keeper(int socket);

}  // namespace handoff::vault
