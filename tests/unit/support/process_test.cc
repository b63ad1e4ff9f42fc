#include "process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "proc.h"

namespace test {
namespace {

using namespace std::chrono_literals;

TEST(ProcessTest, CollectsTheOutputAndTheStatus) {
  Process process({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(process.wait_output_end(Deadline::in(10s)));
  EXPECT_EQ(process.wait(Deadline::in(10s)), 7);
  EXPECT_EQ(process.out(), "out\n");
  EXPECT_EQ(process.err(), "err\n");
}

TEST(ProcessTest, WaitsForOutputOfAProcessThatGoesOn) {
  Process process({"/bin/sh", "-c", "echo ready; exec sleep 600"});
  EXPECT_TRUE(process.wait_for_output("ready", Deadline::in(10s)));
  EXPECT_TRUE(process.running());
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(Deadline::in(10s)), 128 + SIGTERM);
}

TEST(ProcessTest, DoesNotBlockATalkativeProcess) {
  Process process({"/bin/sh", "-c", "head -c 1000000 /dev/zero; echo; echo done >&2"});
  EXPECT_TRUE(process.wait_for_output("done", Deadline::in(10s)));
}

TEST(ProcessTest, SetsAndUnsetsTheEnvironment) {
  Process process({"/bin/sh", "-c", "echo ${A-none} ${PATH-none}"}, {{"A", "a"}, {"PATH", ""}});
  ASSERT_TRUE(process.wait_output_end(Deadline::in(10s)));
  EXPECT_TRUE(process.out().starts_with("a ")) << process.out();
}

TEST(ProcessTest, LeavesNothingBehind) {
  const auto before = open_files(::getpid());
  pid_t pid = -1;
  {
    Process process({"/bin/sh", "-c", "exec sleep 600"});
    pid = process.pid();
  }
  EXPECT_FALSE(hold(pid).valid());
  EXPECT_EQ(difference(before, open_files(::getpid())), "");
}

}  // namespace
}  // namespace test
