#include "libhandoff/core/unmovable.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

TEST(UnmovableTest, OnlyStayingNeedsMeans) {
  for (int bits = 0; bits < 4; ++bits) {
    const Means means{(bits & 1) != 0, (bits & 2) != 0};
    EXPECT_EQ(Unmovable::kRefuse, in_force(Unmovable::kRefuse, means));
    EXPECT_EQ(Unmovable::kClose, in_force(Unmovable::kClose, means));
    EXPECT_EQ(bits == 3 ? Unmovable::kLate : Unmovable::kRefuse, in_force(Unmovable::kLate, means));
    EXPECT_EQ(bits == 3, why_not_late(means).empty());
  }
}

TEST(UnmovableTest, MoreThanHalfIsTheReleasesFault) {
  for (std::uint64_t came = 0; came < 50; ++came) {
    for (std::uint64_t refused = 0; refused <= came + 1; ++refused) {
      EXPECT_EQ(refused > 0 && 2 * refused > came, is_the_releases_fault(refused, came))
          << refused << " of " << came;
    }
  }
  EXPECT_TRUE(is_the_releases_fault(UINT64_MAX, UINT64_MAX));
  EXPECT_FALSE(is_the_releases_fault(UINT64_MAX / 2, UINT64_MAX));
}

}  // namespace
}  // namespace handoff::core
