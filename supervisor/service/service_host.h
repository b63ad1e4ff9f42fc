// What a service needs of the supervisor that it is in.
#pragma once

#include <uv.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

struct ServiceHost {
  uv_loop_t* loop = nullptr;
  std::string report_path;                             // where processes return to
  std::string state;                                   // the state folder
  std::function<void()> changed;                       // something is to be seen, or saved
  std::function<Result<void>()> save;                  // now: a process is about to run
  std::function<Result<void>(nlohmann::json)> record;  // in the history
};

}  // namespace handoff::supervisor
