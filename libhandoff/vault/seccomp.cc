#include "libhandoff/vault/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <iterator>

namespace handoff::vault {
namespace {

// The numbers below are those of the architecture that this was compiled for.
#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr unsigned kArchitecture = AUDIT_ARCH_RISCV64;
#else
constexpr unsigned kArchitecture = 0;  // not confined
#endif

constexpr unsigned kAllowed[] = {
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_ppoll,   SYS_recvfrom,        SYS_sendmsg,    SYS_getsockopt, SYS_getdents64, SYS_lseek,
    SYS_pread64, SYS_fstat,           SYS_close,      SYS_kcmp,       SYS_getpid,     SYS_futex,
    SYS_exit,    SYS_restart_syscall, SYS_exit_group, SYS_recvmsg,
};
constexpr std::size_t kCount = std::size(kAllowed);

}  // namespace

int confine() {
  if (kArchitecture == 0) return 0;
  const auto load = [](std::size_t offset) {
    return sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)));
  };
  // Each number that fits jumps to the end, over those that are left and the refusal.
  static sock_filter program[kCount + 6];
  std::size_t at = 0;
  program[at++] = load(offsetof(seccomp_data, arch));
  program[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
  program[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  program[at++] = load(offsetof(seccomp_data, nr));
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto over = static_cast<unsigned char>(kCount - i);
    program[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAllowed[i], over, 0);
  }
  program[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  program[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog whole{static_cast<unsigned short>(at), program};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0 ? 0 : errno;
}

}  // namespace handoff::vault
