// HeapGrowth brings in exactly the pages by which the heap has grown.
#include "libhandoff/sys/heap_growth.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

namespace handoff::io {
namespace {

// Moves the break as malloc(3) does, and counts the new pages that are in memory.
class HeapGrowthTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kPage = 4096;
  void SetUp() override {
    const auto now = reinterpret_cast<std::uintptr_t>(::sbrk(0));
    ASSERT_NE(reinterpret_cast<void*>(-1), ::sbrk(static_cast<std::intptr_t>(-now % kPage)));
    before_ = static_cast<char*>(::sbrk(0));
  }
  void TearDown() override {
    // malloc may have put something behind the test's pages: then the break stays.
    if (::sbrk(0) == end_) {
      EXPECT_NE(reinterpret_cast<void*>(-1), ::sbrk(before_ - end_));
    }
  }
  void grow(std::size_t bytes) {
    ASSERT_NE(reinterpret_cast<void*>(-1), ::sbrk(static_cast<std::intptr_t>(bytes)));
    end_ = static_cast<char*>(::sbrk(0));
  }
  // How many of the pages by which the break has moved since the test began are in memory.
  std::size_t present() const {
    const auto size = static_cast<std::size_t>(static_cast<char*>(::sbrk(0)) - before_);
    std::vector<unsigned char> pages(size / kPage);
    EXPECT_EQ(0, ::mincore(before_, size, pages.data()));
    std::size_t n = 0;
    for (const unsigned char page : pages) n += page & 1;
    return n;
  }

  char* before_ = nullptr;
  char* end_ = nullptr;
  HeapGrowth heap_;
};

TEST_F(HeapGrowthTest, BringsInWhatItHasGrownBy) {
  heap_.populate();
  grow(32 * kPage);
  EXPECT_EQ(0U, present());
  heap_.populate();
  EXPECT_EQ(32U, present());
  heap_.populate();
  grow(2 * kPage);
  heap_.populate();
  EXPECT_EQ(34U, present());
}

TEST_F(HeapGrowthTest, BringsInNothingOfBefore) {
  grow(8 * kPage);
  heap_.populate();
  EXPECT_EQ(0U, present());
}

TEST_F(HeapGrowthTest, LeavesAStepThatIsNotMallocsAlone) {
  heap_.populate();
  grow(HeapGrowth::kMaxStep + kPage);
  heap_.populate();
  EXPECT_EQ(0U, present());
  grow(kPage);
  heap_.populate();
  EXPECT_EQ(1U, present());
}

TEST_F(HeapGrowthTest, AShrunkHeapGrowsFromWhereItIs) {
  heap_.populate();
  grow(8 * kPage);
  heap_.populate();
  ASSERT_NE(reinterpret_cast<void*>(-1), ::sbrk(-static_cast<std::intptr_t>(4 * kPage)));
  heap_.populate();
  grow(2 * kPage);
  heap_.populate();
  EXPECT_EQ(6U, present());
}

}  // namespace
}  // namespace handoff::io
