// What a child of a service inherits: docs/guide.md has it as a table ("A child process").
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "handover_fixture.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using protocol::Type;

// Fds that a program which this process executes would have.
std::set<int> inherited() {
  std::set<int> out;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (const dirent* const entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(folder) &&
        (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
      out.insert(fd);
  }
  ::closedir(folder);
  return out;
}

class InheritanceTest : public HandoverTest {
 protected:
  // Answers "fds" with those that a program which it executes would have, and "mark" with whether
  // such a program knows whose child it is.
  static LineServiceOptions service() {
    LineServiceOptions options;
    options.answer = [](const std::string& line) -> std::optional<std::string> {
      if (line == "mark") return ::getenv("HANDOFF_FD") == nullptr ? "not as a service" : "both";
      if (line != "fds") return std::nullopt;
      std::string all;
      for (const int fd : inherited()) all += std::to_string(fd) + " ";
      return all;
    };
    return options;
  }
  static std::string ask(LineClient& client, const std::string& line) {
    client.send(line + "\n");
    return client.line();
  }
};

TEST_F(InheritanceTest, NothingOfTheLibrarysOrOfItsListenersAndSessions) {
  auto donor = start(service());
  LineClient client(address("public"));
  const std::string before = ask(client, "fds");
  EXPECT_EQ("not as a service\n", ask(client, "mark"));
  // An heir has been given its listeners and sessions.
  auto heir = hand_over(*donor, service());
  const std::string after = ask(client, "fds");
  for (const std::string& all : {before, after}) {
    std::istringstream in(all);
    for (int fd = 0; in >> fd;) {
      EXPECT_TRUE(inherited().contains(fd)) << fd << " is not of this test's process: " << all;
    }
  }
}

}  // namespace
}  // namespace handoff::test
