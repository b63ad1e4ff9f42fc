// How a process ended, in a form that decisions and people can use.
#pragma once

#include <string>

namespace handoff::supervisor {

struct Exit {
  bool signalled = false;
  int number = 0;  // the exit status, or the signal
  bool core_dumped = false;
  bool unseen = false;  // of a process that is nobody's child here: only that it ended is known
  // Whose memory had run out, if the kernel ended it for that: "control group /chat (at most 500
  // MB)". "" if it did not.
  std::string out_of_memory = {};
};

// "exited with status 3", "was killed by SIGSEGV (core dumped)", "ended".
std::string describe(const Exit& exit);
// What such an end is to a handoff: "exited", or "resources" for want of memory.
std::string code_of(const Exit& exit);

// Why a process is ended that was not ready in time, as the end of a sentence. A program that does
// not link the library says nothing at all, however long one waits for it.
std::string not_ready(bool registered);

}  // namespace handoff::supervisor
