// Children that have ended are told in an order that the machines can rely on.
#include "io/reaper.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

namespace handoff::supervisor {
namespace {

pid_t start_child_that_ends() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  return pid;
}

TEST(ReaperTest, TellsTheYoungestFirstOfThoseThatHaveEnded) {
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  std::vector<pid_t> started, ended;
  {
    Reaper reaper(&loop, [&](pid_t pid, Exit) { ended.push_back(pid); });
    for (int i = 0; i < 3; ++i) started.push_back(start_child_that_ends());
    for (const pid_t pid : started) {
      siginfo_t info{};
      ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    }
    while (ended.size() < 3) uv_run(&loop, UV_RUN_ONCE);
  }
  while (uv_run(&loop, UV_RUN_DEFAULT) != 0) {
  }
  EXPECT_EQ(uv_loop_close(&loop), 0);
  EXPECT_EQ(ended, (std::vector<pid_t>{started.rbegin(), started.rend()}));
}

}  // namespace
}  // namespace handoff::supervisor
