// The supervisor's side of vaults: the memory that a service is given for its sessions, and the
// mailbox of the keeper of its sockets (libhandoff/vault/keeper.h). A keeper is reached by the
// address of its mailbox, so the next supervisor reaches it, too.
//
// What a dead process has written is looked at, and nothing of it is believed: the memory may say
// anything.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/core/vaults.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/processes/service_messages.h"

namespace handoff::supervisor {

// Of one process.
struct Vault {
  std::string address;       // of its keeper's mailbox; "": the process was given none
  UniqueFd memory = {};      // not valid: of a process that the supervisor before this one started
  pid_t keeper = 0;          // 0: there is none, or the process has not said
  std::string refused = {};  // why the process has none, by its word
  bool asked = false;        // the program asks for one
  std::vector<SavedListener> listeners = {};  // that the process had, once it has ended
  bool given() const { return !address.empty(); }
  bool kept() const { return given() && keeper != 0; }
};

struct NewVault {
  Vault vault;
  UniqueFd mailbox;  // for the process, with a duplicate of the memory
};
Result<NewVault> make_vault();

// A connection to the keeper.
Result<UniqueFd> call_keeper(const Vault& vault);
// What call_keeper() says of a keeper that has gone: nobody holds such a mailbox. All else may
// pass.
bool has_gone(const Error& error);
// The memory of a vault of which only the address is known: its keeper gives it. Waits for that,
// kKeeperPatience at most.
Result<void> find_memory(Vault& vault);
// All sessions are lost where it runs out, so a keeper on a full host has time.
inline constexpr int kKeeperPatienceMs = 1000;

// What a process that has ended has left; nullopt: nobody keeps its sockets, or there is no reading
// its vault. May wait, as find_memory().
std::optional<VaultLeft> look_at_vault(Vault& vault);
// The listeners of the process that are still there: its keeper gives them. May wait, likewise.
std::vector<NamedFd> listeners_of(const Vault& vault);
// Its sockets are not wanted any more.
void drop_vault(const Vault& vault);

}  // namespace handoff::supervisor
