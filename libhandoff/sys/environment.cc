#include "libhandoff/sys/environment.h"

#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "libhandoff/base/text.h"

namespace handoff::environment {
namespace {

constexpr std::size_t kMostOfPid = 20;

std::string own_file() {
  std::array<char, PATH_MAX> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  return n > 0 ? printable({path.data(), static_cast<std::size_t>(n)}) : "this program";
}

}  // namespace

bool of_others() {
  static const bool secure = ::getauxval(AT_SECURE) != 0;
  return secure;
}

const char* get(const char* name) {
  return of_others() ? nullptr : std::getenv(name);  // see handoff_open()
}

void forget_supervisor() {
  for (const char* name : kOfSupervisor) ::unsetenv(name);
}

Ignored ignored() {
  const char* pid = std::getenv("HANDOFF_PID");
  const char* fd = std::getenv("HANDOFF_FD");
  const bool given = pid != nullptr && fd != nullptr;
  const bool supervised = given && std::to_string(::getpid()) == pid;
  if (!of_others()) {
    if (!given || supervised) return {};
    return {.words = own_file() + " (pid " + std::to_string(::getpid()) +
                     ") runs without a supervisor: HANDOFF_PID of its environment is " +
                     printable(pid).substr(0, kMostOfPid) +
                     ", and only the process that the supervisor has started is its service. A "
                     "start script has to `exec` the program, and the program must not make itself "
                     "a daemon"};
  }
  if (!supervised && std::getenv("HANDOFF_FAILPOINT") == nullptr) return {};
  Ignored out;
  if (supervised) {
    const std::string_view text(fd);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.fd);
    if (error != std::errc() || end != text.data() + text.size()) out.fd = -1;
  }
  out.words =
      own_file() +
      " runs with rights that whoever started it may not have (AT_SECURE: it is setuid or "
      "setgid, "
      "has file capabilities, or SELinux or AppArmor changed its domain). So HANDOFF_* of the "
      "environment is ignored, and it runs without a supervisor. If it has capabilities, " +
      kCapabilityAdvice + "; if its domain was changed, " + kTransitionAdvice;
  return out;
}

}  // namespace handoff::environment
