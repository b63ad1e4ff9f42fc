// Features are tried, not deduced from a version: containers filter system calls.
#include "supervisor/host/host.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::supervisor {
namespace {

std::uint64_t effective_capabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return 0;
}

bool sends_many_fds() {
  auto pair = io::Channel::make_pair();
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!pair || !null.valid()) return false;
  io::Channel sender(std::move(pair->first));
  io::Channel receiver(std::move(pair->second));
  const std::array<int, protocol::kMaxFds> fds = [&null] {
    std::array<int, protocol::kMaxFds> all{};
    all.fill(null.get());
    return all;
  }();
  const auto sent = sender.send(protocol::Type::kListeners, "", fds);
  if (!sent || *sent != io::Channel::Sent::kYes) return false;
  io::Channel::Message message;
  const auto received = receiver.recv(message);
  return received && *received == io::Channel::Received::kMessage &&
         message.fds.size() == fds.size();
}

}  // namespace

HostFacts read_host() {
  HostFacts facts;
  utsname name{};
  if (::uname(&name) == 0) facts.kernel = name.release;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.files_soft = limit.rlim_cur;
    facts.files_hard = limit.rlim_max;
  }
  const std::uint64_t capabilities = effective_capabilities();
  const auto has = [capabilities](int bit) { return ((capabilities >> bit) & 1U) != 0; };
  facts.can_raise_files = has(CAP_SYS_RESOURCE);
  facts.unbounded_flight = has(CAP_SYS_ADMIN) || has(CAP_SYS_RESOURCE);
  facts.can_repair_tcp = has(CAP_NET_ADMIN);
  facts.can_bind_low = has(CAP_NET_BIND_SERVICE);
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  facts.pidfd = self.valid() && ::syscall(SYS_pidfd_send_signal, self.get(), 0, nullptr, 0) == 0;
  const UniqueFd memory(::memfd_create("doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  facts.memfd = memory.valid() && ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0;
  // An fd that is none: EBADF says that the call exists.
  facts.execveat = ::syscall(SYS_execveat, -1, "", nullptr, nullptr, AT_EMPTY_PATH) < 0 &&
                   errno != ENOSYS && errno != EPERM;
  facts.close_range = ::syscall(SYS_close_range, ~0U, ~0U, 0) == 0;
  facts.fds_in_message = sends_many_fds();
  std::ifstream("/proc/sys/net/core/wmem_default") >> facts.wmem_default;
  return facts;
}

}  // namespace handoff::supervisor
