// How much of a loop's time a copy takes, and which side looks at the sockets' identities
// (invariant I6, docs/invariants.md).
//
// A loop that is busy with its clients loses all the time that the copy takes. So its copy sends
// more frames in a turn: the copy ends sooner, and fewer sessions change after they were sent. The
// look at each socket is left to the heir, which has a thread of its own. An idle loop sends few
// frames in a turn, so that no client waits for long. It looks at the sockets itself, since it
// waits for its heir anyway.
#pragma once

#include <algorithm>
#include <cstdint>

namespace handoff::core {

// All times are nanoseconds of processor time of the loop's thread.
class Pace {
 public:
  struct Turn {
    int frames = kFew;  // at most
    bool looks = true;  // whether the donor looks at each socket before it is sent
  };
  static constexpr int kFew = 2;
  static constexpr int kMany = 4;

  // A turn of the copy begins.
  Turn begin(std::uint64_t now) {
    begun_ = now;
    if (frame_ == 0) return {};
    // As many frames as fit in the time that the loop has worked for itself since the last turn.
    const std::uint64_t fit = (now - ended_) / frame_;
    const int frames = static_cast<int>(std::clamp<std::uint64_t>(fit, kFew, kMany));
    return {.frames = frames, .looks = frames < kMany};
  }
  // The turn ends, in which so many frames were sent.
  void end(std::uint64_t now, std::uint64_t frames) {
    ended_ = now;
    if (frames > 0) frame_ = std::max<std::uint64_t>((now - begun_) / frames, 1);
  }

 private:
  std::uint64_t begun_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t frame_ = 0;  // what a frame has cost in the last turn that sent any; 0: none yet
};

}  // namespace handoff::core
