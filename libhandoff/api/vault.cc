// The C ABI of the vault (handoff/vault.h). Each turn of a loop calls these, so what may fail is
// told apart from the rest early.
#include "handoff/vault.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "libhandoff/api/handle.h"
#include "libhandoff/copy/vault_record.h"
#include "libhandoff/service/lane_vault.h"

using handoff::Failure;
using handoff::Result;
using handoff::api::run;
using handoff::io::LaneVault;
using handoff::io::Registry;

namespace {

LaneVault* vault_of(const handoff_t* h) noexcept {
  return h == nullptr ? nullptr : h->registry.vault.get();
}

// The service goes on without its vault: what is there is not to be recovered from.
void give_up(Registry& registry, const char* why) {
  handoff::vault::store(registry.vault->complete, 0U);
  registry.vault.reset();
  registry.log(HANDOFF_LOG_ERROR, std::string("the vault of this process is over: ") + why +
                                      "; a crash will cost its sessions");
}

}  // namespace

extern "C" {

int handoff_vault(const handoff_t* h) { return vault_of(h) != nullptr ? 1 : 0; }

int handoff_vault_accepting(handoff_t* h, const char* kind, int off) {
  LaneVault* const lane = vault_of(h);
  if (lane == nullptr) return h == nullptr ? -EINVAL : 0;
  const std::string_view name = kind == nullptr ? "session" : kind;
  const auto& kinds = h->registry.kinds;
  const auto it =
      std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.name == name; });
  if (it == kinds.end()) return HANDOFF_ERR_UNKNOWN;
  lane->accepting = off == 0;
  lane->writer->accepting(off != 0 ? 0 : static_cast<std::uint32_t>(it - kinds.begin()) + 1);
  return 0;
}

ssize_t handoff_vault_recv(handoff_t* h, uint64_t id, uint64_t position, void* buffer, size_t size,
                           const void** data) {
  if (h == nullptr || data == nullptr) return -EINVAL;
  try {
    if (LaneVault* const lane = vault_of(h)) {
      const char* bytes = nullptr;
      const ssize_t n = lane->writer->receive(id, position, &bytes);
      *data = bytes;
      if (n != -ENOENT) return n;
    }
    const auto it = h->registry.sessions.find(id);
    if (it == h->registry.sessions.end()) return HANDOFF_ERR_UNKNOWN;
    if (buffer == nullptr) return -EINVAL;
    *data = buffer;
    const ssize_t n = ::recv(it->second.fd, buffer, size, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
  } catch (...) {
    return -ENOMEM;
  }
}

int handoff_vault_current(handoff_t* h, uint64_t id) {
  LaneVault* const lane = vault_of(h);
  if (lane == nullptr) return h == nullptr ? -EINVAL : 0;
  lane->writer->current(id);
  return 0;
}

int handoff_vault_put(handoff_t* h, uint64_t id) {
  if (vault_of(h) == nullptr) return h == nullptr ? -EINVAL : 0;
  bool again = false;
  const int result = run(h, [&](handoff_t& handle) -> Result<void> {
    const auto put = handoff::io::put_in_vault(handle.registry, id);
    if (!put) return Failure(put.error());
    again = *put;
    return {};
  });
  // A slot may be half written.
  if (result == -ENOMEM || result == HANDOFF_ERR_INTERNAL) {
    h->registry.vault->writer->break_off("there was no memory to save a session");
  }
  return result < 0 ? result : again ? 1 : 0;
}

int handoff_vault_commit(handoff_t* h) {
  LaneVault* const lane = vault_of(h);
  if (lane == nullptr) return h == nullptr ? -EINVAL : 0;
  return run(h, [&](handoff_t& handle) -> Result<void> {
    lane->writer->commit();
    if (const char* why = lane->writer->broken()) {
      give_up(handle.registry, why);
    } else if (lane->complete == 0 && handle.state() != HANDOFF_STATE_HEIR) {
      lane->count();  // its donor died in mid-copy, and no vault of that one counts
    }
    return {};
  });
}

}  // extern "C"
