// Landlock says where this process may write, and not to whom it may speak: a Unix socket that has
// a path could be connected to. libseccomp writes the filter, for the kernel's own architecture,
// and knows the numbers of all others, so that a list of names is enough.
//
// ENOSYS and not a signal: another libc may try a newer call first and fall back to one of these.
// For whoever has found a hole both are the same.
#include "supervisor/unpack/calls.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <memory>
#include <span>

namespace handoff::supervisor {
namespace {

// Of several names for one purpose each architecture and libc has some.
constexpr int kFiles[] = {SCMP_SYS(read),      SCMP_SYS(pread64),    SCMP_SYS(write),
                          SCMP_SYS(lseek),     SCMP_SYS(_llseek),    SCMP_SYS(close),
                          SCMP_SYS(openat2),   SCMP_SYS(fstat),      SCMP_SYS(fstat64),
                          SCMP_SYS(fstatat64), SCMP_SYS(newfstatat), SCMP_SYS(statx),
                          SCMP_SYS(fsync),     SCMP_SYS(symlinkat),  SCMP_SYS(linkat)};
constexpr int kItself[] = {
    SCMP_SYS(brk),           SCMP_SYS(munmap),          SCMP_SYS(mremap),   SCMP_SYS(madvise),
    SCMP_SYS(futex),         SCMP_SYS(futex_time64),    SCMP_SYS(exit),     SCMP_SYS(exit_group),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(getrandom)};
#ifdef HANDOFF_SANITIZED
// By which a sanitizer finds out whether memory is there, and what it needs to tell of a mistake.
constexpr int kTools[] = {SCMP_SYS(pipe),       SCMP_SYS(pipe2),    SCMP_SYS(getpid),
                          SCMP_SYS(gettid),     SCMP_SYS(readlink), SCMP_SYS(sched_yield),
                          SCMP_SYS(sigaltstack)};
#else
constexpr std::span<const int> kTools;
#endif
// Their third argument says what the memory is for.
constexpr int kMapping[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};

// What is made has the mode that it keeps, so that no call is left which changes one: Landlock has
// no right for modes, and chmod(2) of any file of this user's would be open. Setuid, setgid, and
// what lets others write are in none of them. A file that is there is not emptied by being opened,
// which Landlock can't refuse before Linux 6.2; the flags of openat2 lie in memory, where only
// Landlock sees them.
constexpr scmp_datum_t kNoMode = 07022;
// Without one of these a mode is no argument, and some libcs leave there whatever was.
constexpr scmp_datum_t kMakes = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
constexpr int kOpen[] = {SCMP_SYS(openat)};
constexpr int kFolder[] = {SCMP_SYS(mkdirat)};

// An argument, counted from 0, has none of these bits.
constexpr scmp_arg_cmp without(unsigned argument, scmp_datum_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

struct Release {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};

Failure unfiltered(int error) {
  return Failure(Error::from_errno(
      error,
      "it is not unpacked: the system calls of handoff-unpack can't be restricted here "
      "(seccomp)"));
}

}  // namespace

Result<void> leave_only_unpacking() {
  const std::unique_ptr<void, Release> filter(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
  if (!filter) return unfiltered(ENOSYS);
  const auto allow = [&](std::span<const int> calls, std::span<const scmp_arg_cmp> only) {
    for (const int call : calls) {
      const int result = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call,
                                                  static_cast<unsigned>(only.size()), only.data());
      if (result < 0) return -result;
    }
    return 0;
  };
  const std::array open = {without(2, O_TRUNC | kMakes)};
  const std::array make_file = {without(2, O_TRUNC), without(3, kNoMode)};
  const std::array make_folder = {without(2, kNoMode)};
  const std::array map = {without(2, PROT_EXEC)};
  for (const int error :
       {allow(kFiles, {}), allow(kItself, {}), allow(kTools, {}), allow(kOpen, open),
        allow(kOpen, make_file), allow(kFolder, make_folder), allow(kMapping, map)}) {
    if (error != 0) return unfiltered(error);
  }
  // libseccomp sets no_new_privs by itself before it loads.
  const int result = ::seccomp_load(filter.get());
  return result < 0 ? Result<void>(unfiltered(-result)) : Result<void>();
}

}  // namespace handoff::supervisor
