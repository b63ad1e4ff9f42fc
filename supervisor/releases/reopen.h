// A release that is known, opened again: by the supervisor after the one that opened it first, or
// because somebody has touched its file meanwhile. What was opened is what runs: a file that is
// another by now is never taken for it.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include <functional>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

SavedRelease saved_release(const Release& release);

struct Reopen {
  SavedRelease saved;
  pid_t pid = 0;           // of a process that runs it, if there is one
  ReleasePtr open;         // as it is open now, if it is
  std::string verify_key;  // with a key, what comes from a path is verified anew
  std::string signed_for;  // the service's name, for what ran before there was a key
  std::string kept;        // the service's folder of kept releases
};

// From what a process of it runs, else from what is open, else from its path, if what lies there is
// still the same, else from the copy that was kept. Of a bundle its folder, if all of it is as it
// was unpacked. An error says why it can't be started again.
Result<ReleasePtr> reopen_release(const Reopen& reopen);
// Does that on a thread of libuv's pool. done is called on the loop.
void reopen_release(uv_loop_t* loop, Reopen reopen, std::function<void(Result<ReleasePtr>)> done);

// What is known of it, with nothing open: it is opened when it is to be started.
ReleasePtr unopened_release(const SavedRelease& saved);

}  // namespace handoff::supervisor
