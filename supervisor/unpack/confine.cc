// Reading is left as it is, for the loader, the locale and libarchive's character sets. Linking
// from folder to folder is a right of its own since the second version of Landlock; the first
// refuses it to everybody, and bundles have hard links. Emptying a file is one since the third; for
// modes there is none, so calls.h leaves no call that changes one.
#include "supervisor/unpack/confine.h"

#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

constexpr long kWithLinks = 2;
constexpr long kWithTruncate = 3;
constexpr long kWithNet = 4;
constexpr long kWithScopes = 6;

// Of the newest version that is used here, which the installed header may not know.
struct Rules {
  std::uint64_t files = 0;
  std::uint64_t net = 0;
  std::uint64_t scopes = 0;
};
constexpr std::uint64_t kTruncate = 1 << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE
constexpr std::uint64_t kConnect = 3;         // LANDLOCK_ACCESS_NET_BIND_TCP, CONNECT_TCP
constexpr std::uint64_t kAllOutside = 3;      // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, SIGNAL

constexpr std::uint64_t kMake = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
                                LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                 LANDLOCK_ACCESS_FS_MAKE_SOCK;

}  // namespace

bool confine(int folder) {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < kWithLinks) return false;
  const std::uint64_t change = kMake | (version >= kWithTruncate ? kTruncate : 0);
  Rules rules{.files = change | kNever};
  std::size_t size = sizeof rules.files;
  if (version >= kWithNet) {
    rules.net = kConnect;
    size += sizeof rules.net;
  }
  if (version >= kWithScopes) {
    rules.scopes = kAllOutside;
    size += sizeof rules.scopes;
  }
  const UniqueFd all(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, size, 0)));
  if (!all.valid()) return false;
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = change;
  beneath.parent_fd = folder;
  return ::syscall(SYS_landlock_add_rule, all.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) ==
             0 &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_landlock_restrict_self, all.get(), 0) == 0;
}

}  // namespace handoff::supervisor
