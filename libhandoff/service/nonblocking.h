// O_NONBLOCK of the sockets that two processes share. The flag belongs to the open file description
// (fcntl(2), F_SETFL), which donor and heir have in common: one that clears it makes the other wait
// in its next read or accept. Some close a socket like that: OTP's socket:close() does.
//
// So each side notes which of them had the flag when they were shared, and sets it again: a donor
// as it thaws, an owner when it hears that the other process has closed its fds or has gone. A late
// process says over its link that it is late, which comes after it has closed what has moved.
#pragma once

#include <cstdint>

#include "libhandoff/service/registry.h"

namespace handoff::io {

// Whether the open file description has O_NONBLOCK; false for a bad fd.
bool is_nonblocking(int fd);

// Sets O_NONBLOCK if the session had it and it is gone; true if it was. A number that is something
// else by now is left alone.
bool mend_nonblocking(const SessionEntry& entry);

// Notes which of a session's fds beside its socket have the flag, as they are shared.
void note_nonblocking(Registry& registry, std::uint64_t id);
// Sets it again on those of a session; how many lacked it.
std::uint64_t mend_own_fds(Registry& registry, std::uint64_t id);

// The donor serves on: O_NONBLOCK is set again on all that it had sent, with a word in the log
// where it was gone. Of the lane's sessions, and in lane 0 of the named fds.
void set_nonblocking_again(Registry& registry, bool named);
// Does so only where a look at some of the sessions, or at the named fds, finds one without it.
void look_at_nonblocking(Registry& registry, bool named);

}  // namespace handoff::io
