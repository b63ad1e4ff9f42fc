// Which channel joins which lanes of donor and heir, and which sessions go by which channel.
//
// The number of channels is the least common multiple of the two numbers of lanes. So each channel
// has one lane at either end, and all lanes of a process have the same number of channels. Channel
// 0 joins lane 0 to lane 0 and is the main channel.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "libhandoff/core/types.h"

namespace handoff::core {

// The sessions of one channel, among those of its donor's lane. A session is placed by its id,
// which never changes, so it keeps its channel over all rounds of a copy. Ids count upwards, so the
// shares are even.
struct Share {
  std::uint64_t index = 0;
  std::uint64_t of = 1;
  bool has(std::uint64_t id) const { return id % of == index; }
  friend bool operator==(const Share&, const Share&) = default;
};

struct Lanes {
  std::uint32_t donor = 1;
  std::uint32_t heir = 1;

  std::uint32_t channels() const { return std::lcm(donor, heir); }
  // The lane at either end of a channel.
  std::uint32_t donor_lane(std::uint32_t channel) const { return channel % donor; }
  std::uint32_t heir_lane(std::uint32_t channel) const { return channel % heir; }
  // The sessions that go by this channel.
  Share share(std::uint32_t channel) const { return {channel / donor, channels() / donor}; }
  // The ways of a link, whose giver is `donor`: channels, way 0 the link's own. Each lane of either
  // side has one at least. Theirs are the lanes of a channel with that number.
  std::uint32_t ways() const { return std::max(donor, heir); }
  Share share_of_way(std::uint32_t way) const {
    return {way / donor, (ways() - way % donor + donor - 1) / donor};
  }
  // What one channel may take of a time that all channels have together. The channels of a lane
  // take theirs one after the other. Lanes go side by side, of the side that has fewer, and as far
  // as there are processors.
  Duration part_of(Duration whole, std::uint32_t processors) const {
    const std::uint32_t side_by_side = std::max(std::min({donor, heir, processors}), 1U);
    return whole * side_by_side / channels();
  }
  friend bool operator==(const Lanes&, const Lanes&) = default;
};

// At most so many lanes in a service, and so many channels in a handoff: the channels' ends travel
// in one frame, which holds 253 fds (SCM_MAX_FD).
inline constexpr std::uint32_t kMaxLanes = 64;
inline constexpr std::uint32_t kMaxChannels = 253;

}  // namespace handoff::core
