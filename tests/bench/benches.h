// The benches: each measures one thing, in a file of its own, and adds rows to the report.
#pragma once

#include "options.h"
#include "report.h"

namespace bench {

void copy(const Options& options, Report& report);
void blackout(const Options& options, Report& report);
void upgrade(const Options& options, Report& report);
void section(const Options& options, Report& report);
void region(const Options& options, Report& report);
void memory(const Options& options, Report& report);
void supervisor(const Options& options, Report& report);
void services(const Options& options, Report& report);
void writes(const Options& options, Report& report);
void steady(const Options& options, Report& report);
void tls(const Options& options, Report& report);
void peers(const Options& options, Report& report);

// The roles of their partners (partner.h).
int sessions_in_memory();

}  // namespace bench
