// The rules are those of the kernel (security/commoncap.c, cap_bprm_creds_from_file): the real user
// or group is not the effective one after the exec, or a user who is not root gains capabilities.
#include "supervisor/releases/secure_exec.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "libhandoff/sys/environment.h"
#include "supervisor/releases/release_files.h"

namespace handoff::supervisor {
namespace {

std::string note(const std::string& path, const std::string& why, const std::string& remedy) {
  return path + " " + why +
         ": its process has rights that the supervisor may not have (AT_SECURE), so libhandoff "
         "ignores HANDOFF_* in it, and it runs without a supervisor; " +
         remedy;
}

bool kernel_ignores_rights(int file) {
  struct statvfs mount {};
  if (::fstatvfs(file, &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0) return true;
  return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

// nullopt if this process may not look.
std::optional<bool> is_secure(pid_t pid) {
  std::ifstream auxv("/proc/" + std::to_string(pid) + "/auxv", std::ios::binary);
  unsigned long entry[2] = {};
  while (auxv.read(reinterpret_cast<char*>(entry), sizeof entry)) {
    if (entry[0] == AT_SECURE) return entry[1] != 0;
  }
  return std::nullopt;
}

std::string note_of_program(int file, const std::string& path) {
  struct stat info {};
  if (::fstat(file, &info) < 0 || kernel_ignores_rights(file)) return "";
  if ((info.st_mode & S_ISUID) != 0 && info.st_uid != ::getuid()) {
    return note(path, "is setuid to uid " + std::to_string(info.st_uid),
                "take the bit away (chmod u-s), and run the supervisor as that user, or let the "
                "service change its user itself");
  }
  if ((info.st_mode & S_ISGID) != 0 && (info.st_mode & S_IXGRP) != 0 && info.st_gid != ::getgid()) {
    return note(path, "is setgid to gid " + std::to_string(info.st_gid),
                "take the bit away (chmod g-s), and give the supervisor that group");
  }
  if (::getuid() != 0 && ::fgetxattr(file, "security.capability", nullptr, 0) > 0) {
    return note(path, "has file capabilities", environment::kCapabilityAdvice);
  }
  return "";
}

}  // namespace

std::string secure_exec_note(int file, const std::string& path) {
  if (const Shebang shebang = shebang_of(file); !shebang.words.empty()) {
    const auto interpreter = open_executable(shebang.found);
    return interpreter ? note_of_program(interpreter->get(), shebang.found) : "";
  }
  return note_of_program(file, path);
}

std::string secure_exec_note(const Release& release, pid_t pid) {
  std::string of_file = secure_exec_note(release.file.get(), release.file_path);
  if (!of_file.empty() || !is_secure(pid).value_or(false)) return of_file;
  return note(
      release.file_path,
      "was started in another domain of SELinux or AppArmor, or executed a file with such rights",
      environment::kTransitionAdvice);
}

}  // namespace handoff::supervisor
