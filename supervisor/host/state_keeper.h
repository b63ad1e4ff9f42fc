// Keeps the state file up to date without holding anybody up: what changed in a turn of the loop is
// written once, on a thread, and what changes while it is written with the next one. Who must not
// act before the file knows of it is called when it does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/core/backoff.h"
#include "supervisor/host/runtime_dir.h"
#include "supervisor/loop/background.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class StateKeeper {
 public:
  using Done = std::function<void(const Result<void>&)>;

  // text: what the file is to say now. failed: it could not be written, and is tried again.
  StateKeeper(uv_loop_t* loop, const RuntimeDir& runtime, std::function<std::string()> text,
              std::function<void(const Error&)> failed);
  StateKeeper(const StateKeeper&) = delete;
  StateKeeper& operator=(const StateKeeper&) = delete;

  // The file is to say something else by now, and soon will.
  void changed();
  // done: what is true now is in the file, or can't be written.
  void save(Done done);
  // All of that, before this returns; and the file says it, whatever somebody has done to it.
  Result<void> save_now();
  // Mistrusts the file if it does not say what was written: somebody has changed it. A full disk is
  // no reason to write what is there.
  void verify();
  // The file may be gone: it is written whatever it says.
  void mistrust() { written_.clear(); }

 private:
  void write();
  void wrote(const Result<void>& result);

  const RuntimeDir& runtime_;
  std::function<std::string()> text_;
  std::function<void(const Error&)> failed_;
  std::string written_;  // what the file says
  std::string next_;     // what it will say when the thread is done
  std::vector<Done> waiting_;
  std::vector<Done> in_flight_;
  bool dirty_ = false;
  bool failing_ = false;  // what the file is to say could not be written: it is tried again
  Backoff backoff_;
  std::string told_;  // why, as it was told last
  Timer soon_;
  Background thread_;
};

}  // namespace handoff::supervisor
