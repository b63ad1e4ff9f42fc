// Memory for keys: what the kernel does with it, and that what is freed is wiped.
#include "libhandoff-tls/sys/arena.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/sys/openssl_memory.h"
#include "mappings.h"

namespace handoff::tls {
namespace {

bool is_zero(const void* p, std::size_t size) {
  const auto* const bytes = static_cast<const char*>(p);
  return std::all_of(bytes, bytes + size, [](char c) { return c == 0; });
}

TEST(SecretTest, IsWipedAtItsEnd) {
  alignas(Secret<32>) unsigned char place[sizeof(Secret<32>)];
  auto* const secret = new (place) Secret<32>;
  std::memset(secret->data(), 'k', 32);
  secret->~Secret();
  EXPECT_TRUE(is_zero(place, 32));
}

TEST(ArenaTest, BlocksAreZeroedAlignedAndApart) {
  Arena& arena = Arena::instance();
  std::vector<std::pair<char*, std::size_t>> all;
  for (const std::size_t size : {0, 1, 63, 64, 65, 300, 1000, 4096, 65536, 65537, 300'000}) {
    for (int i = 0; i < 5; ++i) {
      auto* const p = static_cast<char*>(arena.allocate(size));
      ASSERT_NE(nullptr, p);
      ASSERT_EQ(0U, reinterpret_cast<std::uintptr_t>(p) % 16);
      ASSERT_LE(size, arena.size_of(p));
      ASSERT_TRUE(is_zero(p, arena.size_of(p)));
      for (const auto& [other, length] : all) {
        ASSERT_TRUE(p + size <= other || other + length <= p);
      }
      std::memset(p, 'k', size);
      all.emplace_back(p, size);
    }
  }
  for (const auto& [p, size] : all) arena.free(p);
  arena.free(nullptr);
}

TEST(ArenaTest, WhatIsFreedIsWiped) {
  Arena& arena = Arena::instance();
  auto* const p = static_cast<char*>(arena.allocate(500));
  const std::size_t size = arena.size_of(p);
  std::memset(p, 'k', size);
  arena.free(p);
  EXPECT_TRUE(is_zero(p, size));  // the block is mapped on
  EXPECT_EQ(p, arena.allocate(500)) << "and used again";
  arena.free(p);
}

TEST(ArenaTest, ALargeBlockIsGivenBack) {
  Arena& arena = Arena::instance();
  const std::size_t before = arena.mapped();
  void* const p = arena.allocate(1 << 20);
  EXPECT_EQ(before + (1 << 20), arena.mapped());
  arena.free(p);
  EXPECT_EQ(before, arena.mapped());
  EXPECT_EQ(0U, arena.size_of(p));
}

TEST(ArenaTest, KnowsWhatIsNotItsOwn) {
  int local = 0;
  EXPECT_EQ(0U, Arena::instance().size_of(&local));
  EXPECT_EQ(0U, Arena::instance().size_of(nullptr));
  EXPECT_EQ(nullptr, Arena::instance().allocate(SIZE_MAX));
  EXPECT_EQ(nullptr, Arena::instance().allocate(SIZE_MAX / 2));
}

TEST(ArenaTest, IsInNoCoreDumpAndInNoChild) {
  auto* const p = static_cast<char*>(Arena::instance().allocate(100));
  std::memset(p, 'k', 100);
  const test::Mapping mapping = test::mapping_of(p);
  EXPECT_TRUE(mapping.has_flag("dd")) << "MADV_DONTDUMP";
  EXPECT_TRUE(mapping.has_flag("wf")) << "MADV_WIPEONFORK";
  const pid_t child = ::fork();
  if (child == 0) {
    const bool wiped = is_zero(p, 100);
    // The child's arena works, with blocks that the parent does not share.
    auto* const own = static_cast<char*>(Arena::instance().allocate(100));
    const bool works = own != nullptr && own != p && is_zero(own, 100);
    Arena::instance().free(own);
    Arena::instance().free(p);
    ::_exit(wiped && works ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_EQ('k', p[99]);
  Arena::instance().free(p);
}

TEST(OpensslMemoryTest, IsOursFromTheStart) { EXPECT_TRUE(openssl_wipes()); }

TEST(OpensslMemoryTest, ContextsLieInTheArenaWhereTheyAreToldTo) {
  void* const outside = OPENSSL_malloc(100);
  EXPECT_EQ(0U, Arena::instance().size_of(outside));
  void* inside = nullptr;
  {
    const OpensslInArena keys_in_arena;
    inside = OPENSSL_zalloc(100);
    EXPECT_LE(100U, Arena::instance().size_of(inside));
  }
  // What has begun in the arena grows in it.
  std::memset(inside, 'k', 100);
  auto* const grown = static_cast<char*>(OPENSSL_realloc(inside, 10'000));
  EXPECT_LE(10'000U, Arena::instance().size_of(grown));
  EXPECT_EQ('k', grown[99]);
  EXPECT_TRUE(is_zero(inside, 100)) << "the old place is wiped";
  OPENSSL_free(grown);
  EXPECT_TRUE(is_zero(grown, 100));
  OPENSSL_free(outside);
}

TEST(OpensslMemoryTest, ReallocKeepsTheBytes) {
  std::string expected;
  char* p = nullptr;
  for (std::size_t size = 1; size < 100'000; size = size * 3 / 2 + 1) {
    p = static_cast<char*>(OPENSSL_realloc(p, size));
    ASSERT_NE(nullptr, p);
    ASSERT_EQ(expected, std::string(p, expected.size()));
    std::memset(p, 'a' + static_cast<int>(size % 26), size);
    expected.assign(p, size);
  }
  p = static_cast<char*>(OPENSSL_realloc(p, 10));
  EXPECT_EQ(expected.substr(0, 10), std::string(p, 10));
  OPENSSL_free(p);
}

}  // namespace
}  // namespace handoff::tls
