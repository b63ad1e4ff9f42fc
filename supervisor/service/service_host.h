// What a service needs of the supervisor that it is in.
#pragma once

#include <uv.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/loop/start_queue.h"
#include "supervisor/processes/cgroup.h"
#include "supervisor/processes/process_list.h"

namespace handoff::supervisor {

struct ServiceHost {
  uv_loop_t* loop = nullptr;
  StartQueue* starts = nullptr;  // where processes wait for their turns to start
  const Cgroups* cgroups = nullptr;
  ProcessList* list = nullptr;    // the processes of this host
  std::string report_path;        // where processes return to
  std::string state;              // the state folder
  std::function<void()> changed;  // something is to be seen, or saved
  // Each calls back when it is done, or can't be, perhaps at once. Nothing waits for a disk.
  using Done = std::function<void(const Result<void>&)>;
  std::function<void(Done)> save;  // what is true now: something is about to follow
  // In the history, as soon as that can be.
  std::function<void(nlohmann::json, Done)> record;
  // In the history now, or not at all.
  std::function<void(nlohmann::json, Done)> try_record;
  // history = "required": no upgrade is begun that is not in the history.
  std::function<bool()> history_required;
};

}  // namespace handoff::supervisor
