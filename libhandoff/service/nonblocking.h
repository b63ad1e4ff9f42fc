// O_NONBLOCK of the sockets that two processes share. The flag belongs to the open file description
// (fcntl(2), F_SETFL), which donor and heir have in common: one that clears it makes the other wait
// in its next read or accept. Some close a socket like that: OTP's socket:close() does.
//
// So each side notes which of them had the flag when they were shared, and sets it again: a donor
// as it thaws, an owner when it hears that the other process has closed its fds or has gone. A late
// process says over its link that it is late, which comes after it has closed what has moved.
//
// A read before that may wait. The layers that own connections (uv.hpp, poll.h) read with
// MSG_DONTWAIT, which costs nothing and needs no flag; handoff.h tells all others to do so.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libhandoff/service/registry.h"

namespace handoff::io {

// Whether the open file description has O_NONBLOCK; false for a bad fd.
bool is_nonblocking(int fd);

// Sets O_NONBLOCK if the session had it and it is gone; true if it was. A number that is something
// else by now is left alone.
bool mend_nonblocking(const SessionEntry& entry);
// Does so for those of the sessions that are here still, with a word in the log.
void mend_nonblocking(Registry& registry, const std::vector<std::uint64_t>& ids);

// Notes which of a session's fds beside its socket have the flag, as they are shared.
void note_nonblocking(Registry& registry, std::uint64_t id);
// Sets it again on those of a session; how many lacked it.
std::uint64_t mend_own_fds(Registry& registry, std::uint64_t id);

// The donor serves on: O_NONBLOCK is set again on all that it had sent, with a word in the log
// where it was gone. Of the lane's sessions, and in lane 0 of the named fds.
void set_nonblocking_again(Registry& registry, bool named);

// An owner looks, once another process has let go of what they shared: at the named fds and some of
// the sessions at once, at the rest a few in each turn of the loop. As soon as one is found without
// the flag, all are looked at.
class NonblockingLook {
 public:
  void begin(Registry& registry, bool named);
  // The next few; true if there are more.
  bool turn(Registry& registry);

 private:
  void look(Registry& registry, Sessions::Walk& at, std::uint64_t mended);

  std::optional<Sessions::Walk> at_;  // under way
};

}  // namespace handoff::io
