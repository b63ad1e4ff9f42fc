// The happy path: the keeper is called, and has a vault whose header holds together; the session at
// which the process was is found by the numbers of two records, each checked. The failures: no
// keeper, a memory that says nothing, numbers beyond it: then there is no vault, or no session to
// blame.
#include "supervisor/processes/vault.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "libhandoff/sys/socket.h"
#include "libhandoff/vault/keeper.h"
#include "libhandoff/vault/layout.h"
#include "libhandoff/vault/memory.h"
#include "libhandoff/vault/reader.h"
#include "supervisor/processes/mailbox.h"

namespace handoff::supervisor {
namespace {

template <class T>
bool read_at(int memory, std::uint64_t at, T& out) {
  ssize_t n = 0;
  do {
    n = ::pread(memory, &out, sizeof out, static_cast<off_t>(at));
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof out);
}

// The session whose input a lane was at; 0: none.
std::uint64_t reading_in(int memory, std::uint64_t lane) {
  const std::uint64_t begin = vault::lane_at(lane);
  std::uint32_t current = 0;
  if (!read_at(memory, begin + offsetof(vault::Control, current), current)) return 0;
  if (current == 0 || current > vault::kMaxEntries) return 0;
  const std::uint64_t entry =
      begin + vault::kEntriesAt + std::uint64_t{current - 1} * sizeof(vault::Entry);
  std::uint64_t id = 0;
  return read_at(memory, entry + offsetof(vault::Entry, id), id) ? id : 0;
}

}  // namespace

Result<NewVault> make_vault() {
  auto memory = vault::make_memory();
  if (!memory) return Failure(memory.error());
  auto mailbox = make_mailbox();
  if (!mailbox) return Failure(mailbox.error());
  return NewVault{.vault = {.address = mailbox->address, .memory = std::move(*memory)},
                  .mailbox = std::move(mailbox->fd)};
}

Result<UniqueFd> call_keeper(const Vault& vault) { return post_control_socket(vault.address); }

Result<void> find_memory(Vault& vault) {
  if (vault.memory.valid()) return {};
  const auto keeper = call_keeper(vault);
  if (!keeper) return Failure(keeper.error());
  auto memory = vault::ask_for_memory(keeper->get(), kKeeperPatienceMs);
  if (!memory) return Failure(memory.error());
  vault.memory = std::move(*memory);
  return {};
}

bool has_gone(const Error& error) { return error.code == -ECONNREFUSED; }

// A process that has retired ends its keeper: what is not there is no news.
std::optional<VaultLeft> look_at_vault(Vault& vault) {
  if (!vault.kept()) return std::nullopt;
  if (const auto found = find_memory(vault); !found) {
    spdlog::debug("a vault is lost: {}", found.error().message);
    return std::nullopt;
  }
  if (const auto keeper = call_keeper(vault); !keeper && has_gone(keeper.error())) {
    spdlog::debug("a vault is lost, since its keeper is: {}", keeper.error().message);
    return std::nullopt;
  }
  const auto header = vault::Span::map(vault.memory.get(), 0, vault::kHeaderSpan, false);
  const auto about = header ? vault::read_about(header->bytes()) : Failure(header.error());
  if (!about) {
    spdlog::warn("a vault is of no use: {}", about.error().message);
    return std::nullopt;
  }
  VaultLeft out{.owned = about->complete};
  for (std::uint64_t lane = 0; lane < about->lanes; ++lane) {
    const std::uint64_t session = reading_in(vault.memory.get(), lane);
    if (session != 0) out.reading.push_back(session);
  }
  return out;
}

std::vector<NamedFd> listeners_of(const Vault& vault) {
  std::vector<NamedFd> out;
  if (!vault.kept() || vault.listeners.empty()) return out;
  const auto keeper = call_keeper(vault);
  auto kept = keeper ? vault::ask_keeper(keeper->get(), kKeeperPatienceMs)
                     : Result<vault::Kept>(Failure(keeper.error()));
  if (!kept) {
    spdlog::warn("the listeners of a process that has ended are lost: {}", kept.error().message);
    return out;
  }
  for (auto& [number, fd] : *kept) {
    const auto identity = handoff::io::identity_of(fd.get());
    for (const SavedListener& one : vault.listeners) {
      if (!identity || *identity != handoff::io::Identity{one.inode, one.device}) continue;
      out.push_back({one.name, one.address, one.inode, one.device, std::move(fd)});
      break;
    }
  }
  return out;
}

void drop_vault(const Vault& vault) {
  if (!vault.given()) return;
  if (const auto keeper = call_keeper(vault)) vault::dismiss_keeper(keeper->get());
}

}  // namespace handoff::supervisor
