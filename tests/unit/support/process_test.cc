// The harness's processes: output, status, environment, and their end.
#include "support/process/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <stdexcept>

#include "support/process/proc.h"

namespace handoff::test {
namespace {

TEST(ProcessTest, CollectsTheOutputAndTheStatus) {
  const Outcome outcome = run({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(outcome.status, 7);
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
}

TEST(ProcessTest, WaitsForOutputOfAProcessThatGoesOn) {
  Process process({"/bin/sh", "-c", "echo ready; exec sleep 600"});
  EXPECT_TRUE(process.wait_for_output("ready"));
  EXPECT_TRUE(process.running());
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 128 + SIGTERM);
}

TEST(ProcessTest, WaitsForMoreOutput) {
  Process process({"/bin/sh", "-c", "echo one; kill -STOP $$; echo two >&2; exec sleep 600"});
  ASSERT_TRUE(process.wait_stopped());
  EXPECT_EQ(process.written(), 4U);
  EXPECT_FALSE(process.wait_for_more(4, Deadline::in({})));
  process.signal(SIGCONT);
  EXPECT_TRUE(process.wait_for_more(4, Deadline::patience()));
  EXPECT_EQ(process.err(), "two\n");
}

TEST(ProcessTest, DoesNotWaitForTheOutputOfAProcessThatHasEnded) {
  Process process({"/bin/sh", "-c", "echo last"});
  EXPECT_FALSE(process.wait_for_output("more", Deadline::patience()));
  EXPECT_TRUE(process.wait_for_output("last"));
}

TEST(ProcessTest, DoesNotBlockATalkativeProcess) {
  Process process({"/bin/sh", "-c", "head -c 1000000 /dev/zero; echo; echo done >&2"});
  EXPECT_TRUE(process.wait_for_output("done"));
}

TEST(ProcessTest, SetsAndUnsetsTheEnvironment) {
  const Outcome outcome =
      run({"/bin/sh", "-c", "echo ${A-none} ${PATH-none}"}, {{"A", "a"}, {"PATH", ""}});
  EXPECT_TRUE(outcome.out.starts_with("a ")) << outcome.out;
}

TEST(ProcessTest, RunsAFunctionOfTheTestWithTheFdThatItIsLeft) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  Process process(
      [&] {
        const bool alone = ::fcntl(read.get(), F_GETFD) < 0;
        return ::write(write.get(), "x", 1) == 1 && alone ? 5 : 1;
      },
      write.get());
  write.reset();
  EXPECT_EQ(process.wait(), 5);
  char byte = 0;
  EXPECT_EQ(::read(read.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST(ProcessTest, TellsOfAFunctionThatThrows) {
  EXPECT_EQ(Process([]() -> int { throw std::runtime_error("on purpose"); }).wait(), 1);
}

TEST(ProcessTest, IsStoppedAndKilled) {
  Process process(wait_to_be_killed);
  process.stop();
  EXPECT_EQ(process_state(process.pid()), 'T');
  process.kill();
  EXPECT_EQ(process.wait(), 128 + SIGKILL);
  EXPECT_FALSE(process.wait_stopped());
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
}  // namespace handoff::test
