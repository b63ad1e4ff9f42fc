// Lines of the log about what somebody may say or do without end: all of them at first, then one
// now and then, and how many were left out.
#pragma once

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "supervisor/core/log_limit.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class LimitedLog {
 public:
  // False if the line was left out.
  bool tell(spdlog::level::level_enum level, const std::string& about, const std::string& text) {
    const auto left_out = limit_.admit(now());
    if (!left_out) return false;
    if (*left_out > 0)
      spdlog::warn("{}: {} lines like the next were left out here", about, *left_out);
    spdlog::log(level, "{}: {}", about, text);
    return true;
  }

 private:
  LogLimit limit_;
};

}  // namespace handoff::supervisor
