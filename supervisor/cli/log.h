// The log of `handoff run`: lines on stderr for people, or one JSON object a line. Nobody waits for
// whoever reads it (loop/line_writer).
#pragma once

namespace handoff::supervisor {

void set_up_log(bool json);
// Until it is written, or its reader has been waited for long enough: before this program ends, or
// becomes another one.
void flush_log();

}  // namespace handoff::supervisor
