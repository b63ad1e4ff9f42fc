// A region within one process: growing, passing it on, letting go, and malformed memory.
#include "libhandoff/service/region.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace handoff::io {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMax = 64 * kPage;

Region declared(std::size_t max_size = kMax) {
  return Region({.name = "table", .reads = {1, 2}, .version = 2, .max_size = max_size});
}
Region filled(std::size_t size) {
  Region region = declared();
  EXPECT_TRUE(region.start_empty());
  EXPECT_TRUE(region.grow(size));
  std::memset(region.data(), 'd', size);
  return region;
}
UniqueFd copy_of(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }
// Passes a region to an heir, as the donor's message and its fd do.
Result<void> pass(const Region& donor, Region& heir, std::uint32_t version = 2) {
  const auto announced = donor.announce(0);
  EXPECT_TRUE(announced);
  return heir.take(copy_of(donor.fd()), *announced, version);
}

TEST(RegionTest, GrowsWithoutMovingAndWhatIsNewIsZero) {
  Region region = declared();
  EXPECT_EQ(nullptr, region.data());
  ASSERT_TRUE(region.start_empty());
  EXPECT_EQ(0U, region.size());
  ASSERT_TRUE(region.grow(100));
  std::byte* const at = region.data();
  std::memset(at, 'x', 100);
  ASSERT_TRUE(region.grow(kMax));
  EXPECT_EQ(at, region.data());
  EXPECT_EQ(kMax, region.size());
  EXPECT_EQ(std::byte{'x'}, at[99]);
  EXPECT_TRUE(std::all_of(at + 100, at + kMax, [](std::byte b) { return b == std::byte{0}; }));
  ASSERT_TRUE(region.grow(10));
  EXPECT_EQ(kMax, region.size()) << "it never gets shorter";
}

TEST(RegionTest, HasTheMemoryForWhatItHasGrownTo) {
  const Region region = filled(10 * kPage);
  struct stat info {};
  ASSERT_EQ(0, ::fstat(region.fd(), &info));
  EXPECT_EQ(10 * kPage, static_cast<std::size_t>(info.st_blocks) * 512);
}

TEST(RegionTest, DoesNotOutgrowItsReservation) {
  Region region = filled(kPage);
  const auto grown = region.grow(kMax + 1);
  ASSERT_FALSE(grown);
  EXPECT_EQ(-EFBIG, grown.error().code);
  EXPECT_EQ(kPage, region.size());
}

TEST(RegionTest, CantBeShrunkOrSealedByWhoeverHasItsFd) {
  const Region region = filled(kPage);
  EXPECT_EQ(-1, ::ftruncate(region.fd(), 0));
  EXPECT_EQ(-1, ::fcntl(region.fd(), F_ADD_SEALS, F_SEAL_GROW));
}

TEST(RegionTest, GivesWhatItHasAndNothingElse) {
  Region region = filled(kPage);
  EXPECT_TRUE(region.kind().region);
  EXPECT_FALSE(region.kind().section);
  EXPECT_EQ(std::vector<std::uint32_t>{2}, region.kind().writes);
  ASSERT_TRUE(region.set_version(1));
  EXPECT_EQ(std::vector<std::uint32_t>{1}, region.kind().writes);
  EXPECT_EQ((std::vector<std::uint32_t>{1, 2}), region.kind().reads);
  EXPECT_FALSE(region.set_version(3)) << "never declared";
  EXPECT_EQ(1U, region.version());
}

TEST(RegionTest, TheHeirHasTheSameMemoryInTheSizeThatItHasInTheEnd) {
  Region donor = filled(kPage);
  Region heir = declared();
  ASSERT_TRUE(pass(donor, heir, 1));
  EXPECT_EQ(nullptr, heir.data()) << "not before it is its own";
  ASSERT_TRUE(donor.grow(3 * kPage));
  donor.data()[3 * kPage - 1] = std::byte{'e'};
  ASSERT_TRUE(heir.measure());
  ASSERT_EQ(3 * kPage, heir.view().size());
  ASSERT_TRUE(heir.own());
  donor.let_go();
  EXPECT_EQ(nullptr, donor.data());
  EXPECT_EQ(0U, donor.size());
  EXPECT_TRUE(heir.adopted());
  EXPECT_EQ(1U, heir.version());
  EXPECT_EQ(std::byte{'d'}, heir.data()[0]);
  EXPECT_EQ(std::byte{'e'}, heir.data()[3 * kPage - 1]);
  ASSERT_TRUE(heir.grow(kMax));
  heir.data()[kMax - 1] = std::byte{1};
}

TEST(RegionTest, AnHeirThatGivesUpLeavesTheDonorAsItWas) {
  Region donor = filled(kPage);
  {
    Region heir = declared();
    ASSERT_TRUE(pass(donor, heir));
    heir.drop();
    EXPECT_FALSE(heir.adopted());
    EXPECT_EQ(2U, heir.version());
  }
  EXPECT_EQ(std::byte{'d'}, donor.data()[kPage - 1]);
  ASSERT_TRUE(donor.grow(2 * kPage));
}

TEST(RegionDeathTest, TheHeirCantWriteWhileItIsTheDonors) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Region donor = filled(kPage);
  Region heir = declared();
  ASSERT_TRUE(pass(donor, heir));
  auto* const at = const_cast<std::byte*>(heir.view().data());
  EXPECT_EQ(std::byte{'d'}, *at);
  EXPECT_DEATH(*static_cast<volatile std::byte*>(at) = std::byte{1}, "");
}

TEST(RegionDeathTest, TheDonorCantTouchItOnceItIsTheHeirs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Region donor = filled(kPage);
  std::byte* const kept = donor.data();
  donor.let_go();
  EXPECT_DEATH((void)*static_cast<volatile std::byte*>(kept), "");
}

TEST(RegionTest, OnlyTheMemoryThatWasAnnouncedIsTaken) {
  const Region donor = filled(kPage);
  const Region other = filled(kPage);
  Region heir = declared();
  const auto taken = heir.take(copy_of(other.fd()), *donor.announce(0), 2);
  ASSERT_FALSE(taken);
  EXPECT_EQ(HANDOFF_ERR_IDENTITY, taken.error().code);
}

TEST(RegionTest, ItComesOnce) {
  const Region donor = filled(kPage);
  Region heir = declared();
  ASSERT_TRUE(pass(donor, heir));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, pass(donor, heir).error().code);
}

// The code with which an heir refuses this memfd.
int refusal_of(int fd, std::uint64_t size) {
  struct stat info {};
  EXPECT_EQ(0, ::fstat(fd, &info));
  Region heir = declared();
  const auto taken =
      heir.take(copy_of(fd), {.inode = info.st_ino, .device = info.st_dev, .size = size}, 2);
  return taken ? 0 : taken.error().code;
}

TEST(RegionTest, MemoryThatCouldBeTakenAwayOrNotUsedIsRefused) {
  constexpr int kGood = F_SEAL_SHRINK | F_SEAL_SEAL;
  for (const int seals : {0, F_SEAL_SHRINK, F_SEAL_SEAL, kGood | F_SEAL_GROW, kGood | F_SEAL_WRITE,
                          kGood | F_SEAL_FUTURE_WRITE}) {
    const UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(0, ::ftruncate(fd.get(), kPage));
    if (seals != 0) {
      ASSERT_EQ(0, ::fcntl(fd.get(), F_ADD_SEALS, seals));
    }
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, refusal_of(fd.get(), kPage)) << std::hex << seals;
  }
  const Region donor = filled(kPage);
  EXPECT_EQ(0, refusal_of(donor.fd(), kPage));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, refusal_of(donor.fd(), kPage + 1)) << "shorter than announced";
  const std::string path = "/proc/self/fd/" + std::to_string(donor.fd());
  const UniqueFd unwritable(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, refusal_of(unwritable.get(), kPage));
}

TEST(RegionTest, WhatHasOutgrownTheHeirIsRejectedWithBothSizes) {
  Region donor = filled(kPage);
  Region heir = declared(2 * kPage);
  ASSERT_TRUE(pass(donor, heir));
  ASSERT_TRUE(donor.grow(3 * kPage));
  const auto measured = heir.measure();
  ASSERT_FALSE(measured);
  EXPECT_EQ(HANDOFF_ERR_REJECTED, measured.error().code);
  EXPECT_EQ("region 'table' has 12288 bytes, and this release takes at most 8192 bytes",
            measured.error().message);
}

TEST(RegionTest, AGreatestSizeForWhichThereAreNoAddressesIsAnError) {
  Region region = declared(std::size_t{1} << 60);
  const auto started = region.start_empty();
  ASSERT_FALSE(started);
  EXPECT_EQ(-ENOMEM, started.error().code);
}

}  // namespace
}  // namespace handoff::io
