// HANDOFF_KEPT: which fds a supervisor has from the one before it. Each fd has one name, none is a
// standard stream, and what one supervisor says, the next one understands.
#include <unistd.h>

#include <set>
#include <string>
#include <string_view>

#include "check.h"
#include "supervisor/host/kept_fds.h"

using handoff::supervisor::KeptFds;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CHECK_THAT(KeptFds::read(std::to_string(::getpid() + 1) + ":" + text).empty(),
             "those of another process");
  const auto kept = KeptFds::read(std::to_string(::getpid()) + ":" + text);
  std::set<int> fds;
  for (const auto& [name, fd] : kept) {
    CHECK_THAT(fd > STDERR_FILENO, name);
    CHECK_THAT(fds.insert(fd).second, "an fd of two names: " + name);
    CHECK_THAT(name.find_first_of("=,") == name.npos, name);
  }
  const std::string written = KeptFds::describe(kept);
  CHECK_THAT(KeptFds::read(written) == kept, written);
  return 0;
}
