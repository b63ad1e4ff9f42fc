// How much of a loop's time a copy takes, and which side looks at the sockets' identities
// (invariant I6, docs/invariants.md).
//
// A loop that is busy with its clients loses all the time that the copy takes in it. Such a copy
// sends more frames in a turn, so that it is over sooner and fewer sessions change after they were
// sent; and leaves the look at each socket to the heir, which has a thread of its own. A loop with
// little to do sends a few, so that nobody waits for long, and looks itself: an idle donor waits
// for its heir all the while.
#pragma once

#include <algorithm>
#include <cstdint>

namespace handoff::core {

// In nanoseconds of processor time, of the one thread that the loop runs on.
class Pace {
 public:
  struct Turn {
    int frames = kFew;  // at most
    bool looks = true;  // the donor does, at each socket before it is sent
  };
  static constexpr int kFew = 2;
  static constexpr int kMany = 4;

  // A turn begins.
  Turn begin(std::uint64_t now) {
    begun_ = now;
    if (frame_ == 0) return {};
    // No longer than what the loop has done for itself since the last one.
    const std::uint64_t fit = (now - ended_) / frame_;
    const int frames = static_cast<int>(std::clamp<std::uint64_t>(fit, kFew, kMany));
    return {.frames = frames, .looks = frames < kMany};
  }
  // And ends; so many frames were sent in it.
  void end(std::uint64_t now, std::uint64_t frames) {
    ended_ = now;
    if (frames > 0) frame_ = std::max<std::uint64_t>((now - begun_) / frames, 1);
  }

 private:
  std::uint64_t begun_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t frame_ = 0;  // what one has cost in the last turn that had any; 0: none yet
};

}  // namespace handoff::core
