// Which channel joins which lanes, and which sessions go by it, for many pairs of numbers of lanes.
#include "libhandoff/core/lanes.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace handoff::core {
namespace {

// Calls f for every pair of numbers of lanes that today's hosts may have.
template <class F>
void for_all_pairs(F&& f) {
  for (std::uint32_t donor = 1; donor <= 12; ++donor) {
    for (std::uint32_t heir = 1; heir <= 12; ++heir) {
      SCOPED_TRACE(std::to_string(donor) + " to " + std::to_string(heir));
      f(Lanes{donor, heir});
    }
  }
}

TEST(LanesTest, OneLaneOnEachSideIsOneChannelForAllSessions) {
  const Lanes lanes;
  EXPECT_EQ(1U, lanes.channels());
  EXPECT_EQ((Share{0, 1}), lanes.share(0));
  for (std::uint64_t id = 0; id < 5; ++id) EXPECT_TRUE(lanes.share(0).has(id));
}

TEST(LanesTest, TwoToThreeAreSixChannels) {
  const Lanes lanes{2, 3};
  EXPECT_EQ(6U, lanes.channels());
  EXPECT_EQ(1U, lanes.donor_lane(5));
  EXPECT_EQ(2U, lanes.heir_lane(5));
  EXPECT_EQ((Share{2, 3}), lanes.share(5));
}

TEST(LanesTest, TheMainChannelJoinsTheFirstLanes) {
  for_all_pairs([](const Lanes& lanes) {
    EXPECT_EQ(0U, lanes.donor_lane(0));
    EXPECT_EQ(0U, lanes.heir_lane(0));
    EXPECT_EQ(0U, lanes.share(0).index);
  });
}

TEST(LanesTest, EachSessionOfALaneHasExactlyOneChannel) {
  for_all_pairs([](const Lanes& lanes) {
    for (std::uint32_t lane = 0; lane < lanes.donor; ++lane) {
      for (std::uint64_t id = (7ULL << 40); id < (7ULL << 40) + 30; ++id) {
        int channels = 0;
        for (std::uint32_t c = 0; c < lanes.channels(); ++c) {
          if (lanes.donor_lane(c) == lane && lanes.share(c).has(id)) ++channels;
        }
        ASSERT_EQ(1, channels) << "lane " << lane << ", session " << id;
      }
    }
  });
}

TEST(LanesTest, EachLaneHasTheSameNumberOfChannels) {
  for_all_pairs([](const Lanes& lanes) {
    std::map<std::uint32_t, std::uint32_t> gives, takes;
    for (std::uint32_t c = 0; c < lanes.channels(); ++c) {
      ++gives[lanes.donor_lane(c)];
      ++takes[lanes.heir_lane(c)];
    }
    EXPECT_EQ(lanes.donor, gives.size());
    EXPECT_EQ(lanes.heir, takes.size());
    for (const auto& [lane, n] : gives) EXPECT_EQ(lanes.channels() / lanes.donor, n);
    for (const auto& [lane, n] : takes) EXPECT_EQ(lanes.channels() / lanes.heir, n);
  });
}

// Else lanes that each keep within the freeze budget would miss it together.
TEST(LanesTest, ChannelsThatGoOneAfterTheOtherKeepWithinATimeThatAllHave) {
  constexpr Duration kWhole = 250'000;
  for_all_pairs([&](const Lanes& lanes) {
    for (std::uint32_t processors : {0U, 1U, 2U, 3U, 8U, 64U}) {
      const Duration part = lanes.part_of(kWhole, processors);
      EXPECT_GT(part, 0);
      EXPECT_LE(part * (lanes.channels() / lanes.donor), kWhole) << "by the donor's lane";
      EXPECT_LE(part * (lanes.channels() / lanes.heir), kWhole) << "by the heir's lane";
      EXPECT_LE(part * lanes.channels(), kWhole * std::max(processors, 1U)) << "of all processors";
    }
  });
  EXPECT_EQ(kWhole, Lanes().part_of(kWhole, 1));
  EXPECT_EQ(kWhole, (Lanes{4, 4}).part_of(kWhole, 4));
  EXPECT_EQ(kWhole / 2, (Lanes{4, 4}).part_of(kWhole, 2));
  EXPECT_EQ(kWhole / 3, (Lanes{2, 3}).part_of(kWhole, 8));
}

TEST(LanesTest, EvenLanesStayEven) {
  for_all_pairs([](const Lanes& lanes) {
    // So many sessions in each lane that all shares are equal.
    std::map<std::uint32_t, int> at_heir;
    std::uint64_t id = 1;
    for (std::uint32_t lane = 0; lane < lanes.donor; ++lane) {
      for (std::uint32_t n = 0; n < lanes.channels(); ++n, ++id) {
        for (std::uint32_t c = 0; c < lanes.channels(); ++c) {
          if (lanes.donor_lane(c) == lane && lanes.share(c).has(id)) ++at_heir[lanes.heir_lane(c)];
        }
      }
    }
    std::set<int> counts;
    for (const auto& [lane, n] : at_heir) counts.insert(n);
    EXPECT_EQ(lanes.heir, at_heir.size());
    EXPECT_EQ(1U, counts.size());
  });
}

TEST(LanesTest, EachLaneOfEitherSideHasAWayOfALinkAndEachSessionOne) {
  for_all_pairs([](const Lanes& lanes) {
    std::set<std::uint32_t> donors, heirs;
    for (std::uint32_t w = 0; w < lanes.ways(); ++w) {
      donors.insert(lanes.donor_lane(w));
      heirs.insert(lanes.heir_lane(w));
    }
    EXPECT_EQ(lanes.donor, donors.size());
    EXPECT_EQ(lanes.heir, heirs.size());
    for (std::uint32_t lane = 0; lane < lanes.donor; ++lane) {
      for (std::uint64_t id = 0; id < 30; ++id) {
        int ways = 0;
        for (std::uint32_t w = 0; w < lanes.ways(); ++w) {
          if (lanes.donor_lane(w) == lane && lanes.share_of_way(w).has(id)) ++ways;
        }
        ASSERT_EQ(1, ways) << "lane " << lane << ", session " << id;
      }
    }
  });
}

}  // namespace
}  // namespace handoff::core
