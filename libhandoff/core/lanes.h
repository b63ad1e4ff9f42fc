// How the lanes of a donor and those of its heir find to each other: which channel goes from which
// lane to which, and which sessions go by which channel.
//
// There are as many channels as the smallest number that both counts divide: so each channel has
// one lane at either end, and each lane the same number of channels. The first one, from lane 0 to
// lane 0, is the main channel.
#pragma once

#include <cstdint>
#include <numeric>

namespace handoff::core {

// The sessions of one channel, among those of its donor's lane. A session's id is for life, so it
// keeps its channel over all rounds of a copy; ids are counted up, so the shares are even.
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
  friend bool operator==(const Lanes&, const Lanes&) = default;
};

// Lanes of one service; and channels of one handoff, whose ends travel in one frame.
inline constexpr std::uint32_t kMaxLanes = 64;
inline constexpr std::uint32_t kMaxChannels = 253;

}  // namespace handoff::core
