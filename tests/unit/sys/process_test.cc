// give_way(): a process gives way with its whole session, and only if it is alone there.
#include "libhandoff/sys/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace handoff::io {
namespace {

// This process's autogroup; "" where the kernel has none.
std::string autogroup() {
  std::ifstream file("/proc/self/autogroup");
  std::string line;
  std::getline(file, line);
  return line;
}

// Runs check in a child process, whose exit status is 0 if it was true.
template <class Check>
bool in_a_child(Check&& check) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(check() ? 0 : 1);
  int status = 0;
  EXPECT_EQ(pid, ::waitpid(pid, &status, 0));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(GiveWayTest, AProcessWithASessionOfItsOwnIsWeighedLeast) {
  EXPECT_TRUE(in_a_child([] {
    if (::setsid() < 0) return false;
    give_way();
    return autogroup().empty() || autogroup().ends_with(" nice 19");
  }));
}

TEST(GiveWayTest, OthersInItsSessionAreLeftAlone) {
  const std::string before = autogroup();
  EXPECT_TRUE(in_a_child([&] {
    give_way();
    return autogroup() == before;
  }));
}

}  // namespace
}  // namespace handoff::io
