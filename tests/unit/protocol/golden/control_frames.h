// The frames of the control socket, both ways; a part of frames().
#pragma once

#include <vector>

#include "frames.h"
#include "libhandoff/core/manifest.h"

namespace handoff::golden {

// What a release is, in the frames of the control socket and of the channel.
core::Manifest manifest();
// The same of a service that has a region.
core::Manifest manifest_with_region();
// In the order of PROTOCOL.md: the supervisor's, then the service's.
std::vector<Frame> control_frames();

}  // namespace handoff::golden
