// Each kind of fd that a session may have: how a test makes it and uses it again in another
// process.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

namespace handoff::test {

// What a kind may do with its session.
struct FdOwner {
  std::function<void(const std::string& name, int fd)> give;  // which the session owns
  std::function<int(const std::string& name)> fd;
  std::function<void(pid_t)> needs;
  std::string folder;
};

struct FdUse {
  const char* answer;
  std::function<void(const FdOwner&)> open;
  std::function<std::string(const FdOwner&)> use;
};
const std::map<std::string, FdUse>& fd_uses();

// The session owns it.
int memfd_of(const std::string& text);
std::string text_of_memfd(int fd);

}  // namespace handoff::test
