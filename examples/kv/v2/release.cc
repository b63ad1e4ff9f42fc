// What release 2 says about itself: its versions, the steps to version 1 and back, its command.
#include "release.h"

#include <handoff/handoff.hpp>

#include "engine.h"
#include "session_state.h"

namespace kv {
namespace {

// HANDOFF.UPTIME: for how many seconds this data has been served, over all generations.
void uptime(Call& call) {
  call.reply.integer((call.engine.now() - call.engine.started()) / kSecond);
}

constexpr Command kCommands[] = {
    {"handoff.uptime", 1, kFast, uptime},
};

}  // namespace

const int kRelease = 2;
const char* const kReleaseVersion = "2.0";
const std::vector<std::uint32_t> kDataReads = {1, 2}, kDataWrites = {1, 2};

void declare_state_steps(handoff::Service& service) {
  service.on_upgrade_state(1, 2, &session_1_to_2);
  service.on_downgrade_state(2, 1, &session_2_to_1);
}

std::span<const Command> release_commands() { return kCommands; }

}  // namespace kv
