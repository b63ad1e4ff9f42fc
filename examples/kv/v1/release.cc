// What release 1 says about itself: it has no older release, and no commands of its own.
#include "release.h"

#include "command.h"

namespace kv {

const int kRelease = 1;
const char* const kReleaseVersion = "1.0";
const std::vector<std::uint32_t> kDataReads = {1}, kDataWrites = {1};

void declare_state_steps(handoff::Service&) {}

std::span<const Command> release_commands() { return {}; }

}  // namespace kv
