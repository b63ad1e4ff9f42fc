// The supervisor's log for programs: one JSON object a line on stderr.
#pragma once

#include <spdlog/common.h>

namespace handoff::supervisor {

spdlog::sink_ptr make_json_sink();

}  // namespace handoff::supervisor
