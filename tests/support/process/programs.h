// The paths of the programs under test.
#pragma once

#include <string>

namespace handoff::test {

// "handoff", "handoff-echo-1", ...: in $HANDOFF_TEST_BIN, else where this build puts its programs.
std::string program(const std::string& name);

}  // namespace handoff::test
