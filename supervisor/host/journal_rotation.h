// The history's files: history.jsonl, which is written to, and history.1.jsonl to history.N.jsonl,
// which were rotated, the youngest first. These names are not logrotate's (history.jsonl.1), so
// that neither removes what the other has kept.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "supervisor/core/history_limits.h"

namespace handoff::supervisor {

std::string journal_path(const std::string& state);
// The files that there are, or were a moment ago, the youngest first.
std::vector<std::string> journal_files(const std::string& state);
// Passes each file on to the next name, and then removes those beyond the last that is kept. A
// record is lost with those alone, also if this is killed in between: a name stays free then, and
// is filled by the next rotation. before_each: of its steps; tests kill it there.
Result<void> rotate_journal(const std::string& state, int keep,
                            const std::function<void()>& before_each = {});

}  // namespace handoff::supervisor
