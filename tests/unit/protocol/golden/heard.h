// What the supervisor must make of the golden frames that a service sends.
#pragma once

#include <string>

#include "libhandoff/protocol/frame.h"

namespace handoff::golden {

// body is that of the file of this name, with or without unknown fields.
void expect_heard(const std::string& name, protocol::Type type, const std::string& body);

}  // namespace handoff::golden
