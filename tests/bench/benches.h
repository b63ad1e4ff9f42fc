// The benches: each measures one thing, in a file of its own, and adds rows to the report.
#pragma once

#include "options.h"
#include "report.h"

namespace bench {

void copy(const Options& options, Report& report);

}  // namespace bench
