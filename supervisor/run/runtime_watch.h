// Sees that something of the runtime folder is removed or moved, so that it can be made anew: an
// operator's rm, a clean-up of old files. Idle while nothing happens there.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "supervisor/core/backoff.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class RuntimeWatch {
 public:
  // Something removes a folder file by file: what is made in between is in its way.
  static constexpr Duration kSettle = std::chrono::milliseconds(100);

  enum class State { kWhole, kMended, kBroken };

  // mend: makes anew what is missing, and says what it found. kBroken is tried again.
  RuntimeWatch(uv_loop_t* loop, std::string folder, std::function<State()> mend);
  // From now on; what is missing already is mended soon.
  void start();

 private:
  void look();

  uv_loop_t* loop_;
  std::string folder_;
  std::function<State()> mend_;
  Backoff backoff_;
  std::unique_ptr<FolderWatch> watch_;
  Timer timer_;
  bool due_ = false;  // something has happened since the last look
};

}  // namespace handoff::supervisor
