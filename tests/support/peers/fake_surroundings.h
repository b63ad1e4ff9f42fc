// What a fake service shows of how it was started.
#pragma once

namespace handoff::test {

// The environment and the open fds, so that a test can see how the service was started.
void print_surroundings();

}  // namespace handoff::test
