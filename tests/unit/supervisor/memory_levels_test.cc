// Which limits of memory a process is under: the host's, and those of all control groups above.
#include "supervisor/host/memory_levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "supervisor/host/oom_watch.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

constexpr std::uint64_t kKiB = 1024;
constexpr pid_t kPid = 4711;
constexpr pid_t kOther = 4712;

class MemoryLevelsTest : public testing::Test {
 protected:
  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }
  void is_in(const std::string& groups, pid_t pid = kPid) {
    write("proc/" + std::to_string(pid) + "/cgroup", groups);
  }
  void v2(const std::string& group, const std::string& max, const std::string& current,
          const std::string& stat = "") {
    write("groups" + group + "/memory.max", max + "\n");
    write("groups" + group + "/memory.current", current + "\n");
    if (!stat.empty()) write("groups" + group + "/memory.stat", stat);
  }
  void v1(const std::string& group, const std::string& limit, const std::string& usage) {
    write("groups/memory" + group + "/memory.limit_in_bytes", limit + "\n");
    write("groups/memory" + group + "/memory.usage_in_bytes", usage + "\n");
  }
  void host(const std::string& more = "") {
    write("proc/meminfo", "MemTotal:   2000 kB\nMemFree: 7 kB\nMemAvailable:   1000 kB\n" + more);
  }
  std::vector<MemoryLevel> levels(std::vector<pid_t> pids = {kPid}) {
    return memory_levels(pids, root / "proc", root / "groups");
  }
  const MemoryLevel least(std::vector<pid_t> pids = {kPid}) {
    const auto all = levels(std::move(pids));
    const MemoryLevel* found = tightest(all);
    return found == nullptr ? MemoryLevel{} : *found;
  }
  OomWatch watch() { return OomWatch(kPid, root / "proc", root / "groups"); }

  test::TempDir dir;
  fs::path root = dir.path();
};

TEST_F(MemoryLevelsTest, WithoutGroupsItIsTheHosts) {
  host();
  ASSERT_EQ(levels().size(), 1U);
  EXPECT_EQ(least().of, "the host");
  EXPECT_EQ(free_of(least()), 1000 * kKiB);
  EXPECT_EQ(least().most, 2000 * kKiB);
  EXPECT_EQ(at_best(least()), 1000 * kKiB);
}

TEST_F(MemoryLevelsTest, WhereNothingTellsThereIsNone) {
  EXPECT_THAT(levels(), IsEmpty());
  write("proc/meminfo", "MemTotal: some kB\nMemAvailable: -1 kB\n");
  EXPECT_THAT(levels(), IsEmpty());
  is_in("nonsense\n::\n:");
  EXPECT_THAT(levels(), IsEmpty());
}

TEST_F(MemoryLevelsTest, TheTightestGroupAboveCounts) {
  host();
  is_in("0::/a/b/c\n");
  v2("/a", "500000", "450000", "anon 400000\ninactive_file 30000\nactive_file 2000\n");
  write("groups/a/memory.stat",
        "anon 400000\ninactive_file 30000\nactive_file 2000\nslab_reclaimable 500\n");
  v2("/a/b", "max", "440000");
  v2("/a/b/c", "900000", "430000");
  EXPECT_EQ(levels().size(), 3U) << "the host, /a/b/c and /a";
  EXPECT_EQ(least().of, "control group /a");
  EXPECT_EQ(free_of(least()), 80000U) << "files that nobody used lately are given back first";
  EXPECT_EQ(at_best(least()), 82500U) << "then others, and what the kernel keeps";
}

TEST_F(MemoryLevelsTest, AboveMemoryHighNothingIsDoneInTime) {
  host();
  is_in("0::/a\n");
  v2("/a", "900000", "100000");
  write("groups/a/memory.high", "300000\n");
  EXPECT_EQ(free_of(least()), 200000U);
  write("groups/a/memory.high", "max\n");
  EXPECT_EQ(free_of(least()), 800000U);
  write("groups/a/memory.max", "max\n");
  EXPECT_EQ(least().of, "the host");
}

TEST_F(MemoryLevelsTest, AGroupThatIsFullLeavesNothing) {
  host();
  is_in("0::/a\n");
  v2("/a", "500", "700");
  EXPECT_EQ(free_of(least()), 0U);
  EXPECT_EQ(at_best(least()), 0U);
}

TEST_F(MemoryLevelsTest, EachGroupAboveLimitsTheSwapSpace) {
  host("SwapFree: 50 kB\n");
  is_in("0::/a/b\n");
  v2("/a", "900000", "100000");
  v2("/a/b", "500000", "100000");
  EXPECT_EQ(least().swap, 50 * kKiB) << "the host's";
  write("groups/a/memory.swap.max", "40000\n");
  write("groups/a/memory.swap.current", "30000\n");
  EXPECT_EQ(least().swap, 10000U);
  write("groups/a/b/memory.swap.max", "max\n");
  write("groups/a/b/memory.swap.current", "30000\n");
  EXPECT_EQ(least().swap, 10000U);
  write("groups/a/b/memory.swap.max", "0\n");
  EXPECT_EQ(least().swap, 0U);
}

TEST_F(MemoryLevelsTest, KnowsTheGroupsOfVersion1) {
  host("SwapFree: 50 kB\n");
  is_in("7:cpu:/x\n5:name=memory:/y\n4:cpuacct,memory:/svc/one\n0::/\n");
  v1("/svc/one", "9223372036854771712", "4000");
  v1("/svc", "100000", "40000");
  write("groups/memory/svc/memory.stat",
        "inactive_file 9\ntotal_inactive_file 5000\ntotal_active_file 300\n");
  EXPECT_EQ(least().of, "control group /svc");
  EXPECT_EQ(free_of(least()), 65000U);
  EXPECT_EQ(least().swap, 50 * kKiB);
  write("groups/memory/svc/memory.memsw.limit_in_bytes", "100000\n");
  write("groups/memory/svc/memory.memsw.usage_in_bytes", "40000\n");
  EXPECT_EQ(at_best(least()), 65300U) << "memory and swap space have one limit";
  write("groups/memory/svc/memory.memsw.limit_in_bytes", "110000\n");
  EXPECT_EQ(least().swap, 10000U);
  write("groups/memory/svc/memory.swappiness", "0\n");
  EXPECT_EQ(least().swap, 0U);
}

TEST_F(MemoryLevelsTest, OfAGroupThatIsNotToBeSeenTheRootCounts) {
  host();
  v2("", "5000", "1000");
  for (const char* group : {"/docker/4711", "/../../elsewhere", "/", "/a (deleted)"}) {
    SCOPED_TRACE(group);
    is_in(std::string("0::") + group + "\n");
    EXPECT_EQ(least().of, "control group /");
    EXPECT_EQ(free_of(least()), 4000U);
  }
}

TEST_F(MemoryLevelsTest, GarbageIsNoLimit) {
  host();
  is_in("0::/a\n");
  for (const char* bad : {"", "-1", "12x", "99999999999999999999999999", "0x10", "many"}) {
    SCOPED_TRACE(bad);
    v2("/a", bad, "100");
    EXPECT_EQ(least().of, "the host");
    v2("/a", "100", bad);
    EXPECT_EQ(least().of, "the host");
  }
  fs::remove(root / "groups/a/memory.current");
  EXPECT_EQ(least().of, "the host");
  v2("/a", "900", "800", "inactive_file lots\nactive_file\n");
  EXPECT_EQ(at_best(least()), 100U);
}

TEST_F(MemoryLevelsTest, TheGroupsOfAllItsProcessesCountOnce) {
  is_in("0::/a/old\n");
  is_in("0::/a/new\n", kOther);
  v2("/a", "900", "100");
  v2("/a/old", "800", "100");
  v2("/a/new", "300", "100");
  const auto all = levels({kPid, kOther, kPid});
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(tightest(all)->of, "control group /a/new");
}

TEST_F(MemoryLevelsTest, AGroupWhoseProcessesEndTogetherIsFoundAlsoAbove) {
  const auto together = [this] { return ends_together(kPid, root / "proc", root / "groups"); };
  is_in("0::/a/b\n");
  v2("/a", "900", "100");
  v2("/a/b", "900", "100");
  EXPECT_EQ(together(), "");
  write("groups/a/b/memory.oom.group", "0\n");
  write("groups/a/memory.oom.group", "1\n");
  EXPECT_EQ(together(), "control group /a");
  write("groups/a/memory.oom.group", "0\n");
  EXPECT_EQ(together(), "");
}

TEST_F(MemoryLevelsTest, WhatAProcessHasForItselfIsAnonymousSwappedOutOrNot) {
  write("proc/4711/status",
        "Name:\tkv\nRssAnon:\t     160 kB\nRssFile:\t 9 kB\nVmSwap:\t  40 kB\n");
  EXPECT_EQ(own_memory(kPid, root / "proc"), 200 * kKiB);
  EXPECT_EQ(own_memory(kOther, root / "proc"), 0U);
  EXPECT_GT(own_memory(::getpid()), 0U);
}

TEST(ResidentTest, IsSomethingForThisProcessAndNothingForNone) {
  EXPECT_GT(resident(::getpid()), 0U);
  EXPECT_EQ(resident(-5), 0U);
}

// ---- whether the kernel has ended a process for want of memory

TEST_F(MemoryLevelsTest, AnEndInTheProcesssGroupIsSeen) {
  is_in("0::/a/b\n");
  v2("/a", "500000000", "1");
  v2("/a/b", "max", "1");
  write("groups/a/memory.events", "oom 7\noom_kill 9\n");
  write("groups/a/b/memory.events", "low 0\nmax 3\noom 0\noom_kill 2\noom_group_kill 0\n");
  const OomWatch oom = watch();
  EXPECT_EQ(oom.out_of(), "");
  write("groups/a/memory.events", "oom 8\noom_kill 10\n");
  EXPECT_EQ(oom.out_of(), "") << "in another group below /a";
  write("groups/a/b/memory.events", "low 0\nmax 3\noom 0\noom_kill 3\noom_group_kill 0\n");
  EXPECT_EQ(oom.out_of(), "control group /a (at most 500.0 MB)");
  write("groups/a/b/memory.events", "oom 1\noom_kill 3\n");
  EXPECT_EQ(oom.out_of(), "control group /a/b");
}

TEST_F(MemoryLevelsTest, WhereNoGroupWasFullTheHostWas) {
  is_in("0::/a\n");
  v2("/a", "500", "1");
  write("groups/a/memory.events", "oom 0\noom_kill 2\n");
  const OomWatch oom = watch();
  write("groups/a/memory.events", "oom 0\noom_kill 3\n");
  EXPECT_EQ(oom.out_of(), "the host");
}

TEST_F(MemoryLevelsTest, AGroupThatCountsNothingLeavesItToTheHost) {
  is_in("0::/\n");
  write("proc/vmstat", "nr_free_pages 1\noom_kill 5\n");
  const OomWatch oom = watch();
  EXPECT_EQ(oom.out_of(), "");
  write("proc/vmstat", "nr_free_pages 1\noom_kill 6\n");
  EXPECT_EQ(oom.out_of(), "the host");
}

TEST_F(MemoryLevelsTest, SoDoesAGroupThatIsRemovedWithItsLastProcess) {
  is_in("0::/a/b\n");
  write("proc/vmstat", "oom_kill 5\n");
  write("groups/a/memory.max", "2000\n");
  write("groups/a/memory.events", "oom 1\noom_kill 1\n");
  write("groups/a/b/memory.events", "oom 0\noom_kill 0\n");
  const OomWatch oom = watch();
  fs::remove_all(root / "groups/a/b");
  EXPECT_EQ(oom.out_of(), "");
  write("proc/vmstat", "oom_kill 6\n");
  write("groups/a/memory.events", "oom 2\noom_kill 2\n");
  EXPECT_EQ(oom.out_of(), "control group /a (at most 2.0 kB)");
}

TEST_F(MemoryLevelsTest, AnEndIsSeenInVersion1) {
  is_in("4:memory:/svc\n");
  v1("/svc", "262144000", "1");
  write("groups/memory/svc/memory.failcnt", "12\n");
  write("groups/memory/svc/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
  const OomWatch oom = watch();
  write("groups/memory/svc/memory.failcnt", "40\n");
  EXPECT_EQ(oom.out_of(), "") << "cache was given back";
  write("groups/memory/svc/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  EXPECT_EQ(oom.out_of(), "control group /svc (at most 262.1 MB)");
}

TEST(OomWatchTest, OfNobodySaysNothing) { EXPECT_EQ(OomWatch().out_of(), ""); }

}  // namespace
}  // namespace handoff::supervisor
