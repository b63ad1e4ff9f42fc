// The frames that today's encoders write for fixed values, one or more for each message type. The
// files beside this one hold them as they were written when the type was new.
//
// A new message type: add a line to frames(), then have its file written:
//   HANDOFF_WRITE_GOLDEN=tests/unit/protocol/golden build/dev/bin/golden_test
// The test writes missing files and never changes one. A new field: the encoder leaves it out while
// it isn't set, so that the old files stay true; a variant shows a frame that has it. heard.cc says
// what the supervisor makes of a new frame.
#pragma once

#include <string>
#include <vector>

#include "libhandoff/protocol/frame.h"

namespace handoff::golden {

struct Frame {
  protocol::Type type{};
  std::string variant;  // "" or, where a type has several files, what is special about this one
  std::uint32_t fds = 0;
  std::string body;
};

// "Start-heir.hex"
std::string file_name(const Frame& frame);
// Header and body: the one message of the socket.
std::string bytes(const Frame& frame);

std::vector<Frame> frames();

}  // namespace handoff::golden
