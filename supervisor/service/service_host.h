// What a service needs of the supervisor that it is in.
#pragma once

#include <uv.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/loop/start_queue.h"

namespace handoff::supervisor {

struct ServiceHost {
  uv_loop_t* loop = nullptr;
  StartQueue* starts = nullptr;   // where processes wait for their turns to start
  std::string report_path;        // where processes return to
  std::string state;              // the state folder
  std::function<void()> changed;  // something is to be seen, or saved
  // Each calls back when it is done, or can't be, perhaps at once. Nothing waits for a disk.
  using Done = std::function<void(const Result<void>&)>;
  std::function<void(Done)> save;  // what is true now: something is about to follow
  std::function<void(nlohmann::json, Done)> record;  // in the history
};

}  // namespace handoff::supervisor
