// What the supervisor says of the systemd unit that it runs in.
#include "supervisor/core/unit.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace handoff::supervisor {
namespace {

constexpr std::uint64_t kInfinity = std::numeric_limits<std::uint64_t>::max();
constexpr const char* kRuntime = "/run/handoff";

// As contrib/systemd/handoff.service has it.
UnitSettings good() {
  return {.name = "handoff.service",
          .kill_mode = "process",
          .restart = "always",
          .oom_policy = "continue",
          .runtime_preserve = "yes",
          .runtime_dirs = {{"handoff"}},
          .fd_store_max = 1024,
          .start_limit_burst = 5,
          .start_limit_us = 0,
          .watchdog_us = 0};
}

std::vector<std::string> faults(const UnitSettings& unit, std::size_t listeners = 2) {
  return unit_faults(unit, listeners, kRuntime);
}

TEST(UnitTest, OneThatIsRightHasNoFaults) {
  EXPECT_TRUE(faults(good()).empty());
  EXPECT_TRUE(faults(good(), 1024).empty());
}

TEST(UnitTest, WhatSystemdDidNotSayIsNoFault) { EXPECT_TRUE(faults({.name = "x"}).empty()); }

TEST(UnitTest, EachWrongSettingIsAFaultWithItsMend) {
  struct Case {
    std::function<void(UnitSettings&)> change;
    std::string mend;
  };
  const std::vector<Case> cases = {
      {[](UnitSettings& unit) { unit.kill_mode = "control-group"; }, "KillMode=process"},
      {[](UnitSettings& unit) { unit.kill_mode = "mixed"; }, "KillMode=process"},
      {[](UnitSettings& unit) { unit.restart = "no"; }, "Restart=always"},
      {[](UnitSettings& unit) { unit.restart = "on-failure"; }, "Restart=always"},
      {[](UnitSettings& unit) { unit.start_limit_us = 10'000'000; }, "StartLimitIntervalSec=0"},
      {[](UnitSettings& unit) { unit.oom_policy = "stop"; }, "OOMPolicy=continue"},
      {[](UnitSettings& unit) { unit.oom_policy = "kill"; }, "OOMPolicy=continue"},
      {[](UnitSettings& unit) { unit.runtime_preserve = "no"; }, "RuntimeDirectoryPreserve=yes"},
      {[](UnitSettings& unit) { unit.watchdog_us = 1; }, "WatchdogSec=0"},
      {[](UnitSettings& unit) { unit.fd_store_max = 1; }, "FileDescriptorStoreMax=2"},
  };
  for (const Case& one : cases) {
    UnitSettings unit = good();
    one.change(unit);
    const auto found = faults(unit);
    ASSERT_EQ(found.size(), 1U) << one.mend;
    EXPECT_NE(found.front().find("set " + one.mend + " in the unit"), std::string::npos)
        << found.front();
    EXPECT_TRUE(found.front().starts_with("handoff.service: ")) << found.front();
  }
}

TEST(UnitTest, ALimitThatIsNoneIsNoFault) {
  UnitSettings unit = good();
  unit.start_limit_us = kInfinity;
  unit.watchdog_us = kInfinity;
  EXPECT_TRUE(faults(unit).empty());
  unit.start_limit_us = 10'000'000;
  unit.start_limit_burst = 0;
  EXPECT_TRUE(faults(unit).empty());
}

TEST(UnitTest, AFolderThatIsNotTheUnitsMayGoWithIt) {
  UnitSettings unit = good();
  unit.runtime_preserve = "no";
  unit.runtime_dirs = {{"other"}};
  EXPECT_TRUE(faults(unit).empty());
  unit.runtime_dirs = {{"hand"}};
  EXPECT_TRUE(faults(unit).empty()) << "a part of a name is no folder";
  unit.runtime_dirs = {{"other", "handoff"}};
  EXPECT_EQ(faults(unit).size(), 1U);
  unit.runtime_preserve = "restart";  // removed at a stop, which leaves nothing alive
  EXPECT_TRUE(faults(unit).empty());
}

}  // namespace
}  // namespace handoff::supervisor
