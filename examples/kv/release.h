// What each release says about itself, in v1/release.cc and v2/release.cc.
#ifndef HANDOFF_EXAMPLES_KV_RELEASE_H
#define HANDOFF_EXAMPLES_KV_RELEASE_H

#include <cstdint>
#include <vector>

namespace handoff {
class Service;
}

namespace kv {

extern const int kRelease;
extern const char* const kReleaseVersion;  // for people
// Versions of the section "data".
extern const std::vector<std::uint32_t> kDataReads, kDataWrites;
// The steps between versions of session state that this release knows.
void declare_state_steps(handoff::Service& service);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_RELEASE_H
