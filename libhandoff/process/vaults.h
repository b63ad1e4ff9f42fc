// The vault of this process: the memory and the keeper that Start has given, and what each lane
// keeps in it.
//
// The keeper starts in handoff_open(), while the process is small. Whether the service can be kept
// at all is known in handoff_ready(), when all is declared.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/vault/keeper.h"
#include "libhandoff/vault/memory.h"

namespace handoff::io {

// The two fds of Start.
struct VaultEnds {
  UniqueFd memory;
  UniqueFd keeper;
};

class Vaults {
 public:
  // asked: by the service. control: the socket to the supervisor, borrowed.
  void begin(VaultEnds ends, bool asked, int control);
  // All is declared: makes the vaults of all lanes. What Register says of it; nullopt if the
  // service has not asked, or was given none.
  std::optional<protocol::Vault> declare(const std::vector<Registry*>& lanes);
  // A service that starts has no sessions to be entered first.
  void complete(const std::vector<Registry*>& lanes) const;
  // There is nothing to be kept any more.
  void dismiss() const;

 private:
  Result<void> start(int control);
  Result<void> make(const std::vector<Registry*>& lanes);

  VaultEnds ends_;
  bool asked_ = false;
  pid_t process_ = 0;  // that asked
  uid_t user_ = 0;
  gid_t group_ = 0;
  std::string refused_;
  std::optional<vault::Keeper> keeper_;
  vault::Span header_;
};

}  // namespace handoff::io
