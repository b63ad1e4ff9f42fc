// How much memory is free: the lowest limit counts, of the host and of all control groups above.
#include "supervisor/host/free_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class FreeMemoryTest : public testing::Test {
 protected:
  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }
  std::optional<FreeMemory> free() { return free_memory(root / "proc", root / "groups"); }

  test::TempDir dir;
  fs::path root = dir.path();
};

TEST_F(FreeMemoryTest, WithoutGroupsItIsTheHosts) {
  write("proc/meminfo", "MemTotal: 2000 kB\nMemAvailable:   1000 kB\n");
  ASSERT_TRUE(free());
  EXPECT_EQ(free()->bytes, 1000U * 1024);
  EXPECT_EQ(free()->of, "the host");
}

TEST_F(FreeMemoryTest, TheTightestGroupAboveCountsAndItsCacheIsFree) {
  write("proc/meminfo", "MemAvailable: 1000 kB\n");
  write("proc/self/cgroup", "0::/a/b\n");
  write("groups/a/memory.max", "500000\n");
  write("groups/a/memory.current", "450000\n");
  write("groups/a/memory.stat", "anon 400000\ninactive_file 30000\n");
  write("groups/a/b/memory.max", "max\n");
  write("groups/a/b/memory.current", "1\n");
  ASSERT_TRUE(free());
  EXPECT_EQ(free()->bytes, 80000U);
  EXPECT_EQ(free()->of, "control group /a");
}

TEST_F(FreeMemoryTest, AGroupThatIsFullLeavesNothing) {
  write("proc/meminfo", "MemAvailable: 1000 kB\n");
  write("proc/self/cgroup", "0::/a\n");
  write("groups/a/memory.max", "500\n");
  write("groups/a/memory.current", "700\n");
  EXPECT_EQ(free()->bytes, 0U);
}

TEST_F(FreeMemoryTest, KnowsTheGroupsOfOld) {
  write("proc/meminfo", "MemAvailable: 1000 kB\n");
  write("proc/self/cgroup", "5:cpu:/x\n4:memory:/svc\n0::/\n");
  write("groups/memory/svc/memory.limit_in_bytes", "10000\n");
  write("groups/memory/svc/memory.usage_in_bytes", "4000\n");
  EXPECT_EQ(free()->bytes, 6000U);
}

TEST_F(FreeMemoryTest, IsUnknownWhereNothingTells) { EXPECT_FALSE(free()); }

TEST(ResidentTest, IsSomethingForThisProcessAndNothingForNone) {
  EXPECT_GT(resident(::getpid()), 0U);
  EXPECT_EQ(resident(-5), 0U);
}

}  // namespace
}  // namespace handoff::supervisor
