// Shared memory: blobs and rings, their seals and checksums.
#include "libhandoff/sys/memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

TEST(MemoryTest, ABlobHoldsItsPartsAndCantBeChanged) {
  const std::string_view parts[] = {"state", "", "output"};
  const auto blob = make_blob(parts);
  ASSERT_TRUE(blob);
  const auto mapping = map_blob(blob->get(), 11);
  ASSERT_TRUE(mapping) << mapping.error().message;
  EXPECT_EQ("stateoutput", std::string_view(mapping->data(), 11));
  EXPECT_EQ(-1, ::ftruncate(blob->get(), 0));
  EXPECT_EQ(-1, ::pwrite(blob->get(), "x", 1, 0));
}

TEST(MemoryTest, AnEmptyBlobIsFine) {
  const auto blob = make_blob({});
  ASSERT_TRUE(blob);
  EXPECT_TRUE(map_blob(blob->get(), 0));
}

TEST(MemoryTest, WhatIsTooSmallOrNotSealedIsNotMapped) {
  const std::string_view parts[] = {"abc"};
  const auto blob = make_blob(parts);
  EXPECT_FALSE(map_blob(blob->get(), 4));
  const UniqueFd open(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(0, ::ftruncate(open.get(), 100));
  const auto refused = map_blob(open.get(), 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, refused.error().code);
  EXPECT_FALSE(map_ring(open.get(), 100));
  const UniqueFd file(::open("/dev/zero", O_RDONLY));
  EXPECT_FALSE(map_blob(file.get(), 1));
}

TEST(MemoryTest, ARingIsSharedAndOfFixedSize) {
  auto ring = make_ring(8192);
  ASSERT_TRUE(ring);
  const auto view = map_ring(ring->fd.get(), 8192);
  ASSERT_TRUE(view) << view.error().message;
  std::memcpy(ring->mapping.data() + 5000, "chunk", 5);
  EXPECT_EQ("chunk", std::string_view(view->data() + 5000, 5));
  EXPECT_EQ(-1, ::ftruncate(ring->fd.get(), 0));
}

TEST(MemoryTest, ChecksumsOfPartsAreThatOfTheWhole) {
  EXPECT_EQ(checksum("abcdef"), checksum("ab", "", "cdef"));
  EXPECT_NE(checksum("abcdef"), checksum("abcdeg"));
  // XXH3-64 of no bytes, from the algorithm's own test vectors: both sides must use the same hash.
  EXPECT_EQ(0x2d06800538d394c2ULL, checksum(""));
}

}  // namespace
}  // namespace handoff::io
