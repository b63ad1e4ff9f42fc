#include "libhandoff/process/vaults.h"

#define XXH_INLINE_ALL
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "libhandoff/service/lane_vault.h"
#include "libhandoff/vault/layout.h"

namespace handoff::io {
namespace {

void put_name(char (&to)[vault::kNameSize], const std::string& name) {
  std::memcpy(to, name.c_str(), std::min(name.size(), vault::kNameSize - 1));
}

// What the service has that no vault keeps.
std::string unkept(const Registry& registry) {
  if (!registry.sections.empty()) {
    return "the service has a section '" + registry.sections.front().name +
           "', and a vault keeps none";
  }
  if (!registry.regions.empty()) {
    return "the service has a region '" + registry.regions.front().name() +
           "', and a vault keeps none";
  }
  return {};
}

}  // namespace

void Vaults::begin(VaultEnds ends, bool asked, int control) {
  ends_ = std::move(ends);
  asked_ = asked && ends_.memory.valid();
  if (!asked_) return;
  process_ = ::getpid();
  user_ = ::geteuid();
  group_ = ::getegid();
  if (auto ok = start(control); !ok) refused_ = ok.error().message;
}

// The keeper becomes a sibling of this process: of no use to a supervisor that is not the parent.
Result<void> Vaults::start(int control) {
  ucred supervisor{};
  socklen_t length = sizeof supervisor;
  if (::getsockopt(control, SOL_SOCKET, SO_PEERCRED, &supervisor, &length) < 0) {
    return fail_errno("SO_PEERCRED");
  }
  if (supervisor.pid != ::getppid()) {
    return fail(-ECHILD,
                "the supervisor is not the parent of this process, so that its keeper "
                "would be another's child");
  }
  auto keeper = vault::Keeper::start(std::move(ends_.keeper), ends_.memory.get());
  if (!keeper) return Failure(keeper.error());
  keeper_.emplace(std::move(*keeper));
  return {};
}

std::optional<protocol::Vault> Vaults::declare(const std::vector<Registry*>& lanes) {
  if (!asked_) {
    ends_ = {};
    return std::nullopt;
  }
  // A keeper has the rights of handoff_open(), and no capability to give them up.
  if (refused_.empty() && (::geteuid() != user_ || ::getegid() != group_)) {
    refused_ =
        "the service has changed its user or group since handoff_open(), and its keeper can't "
        "follow: let it do so before";
  }
  if (refused_.empty()) refused_ = unkept(*lanes.front());
  if (refused_.empty()) {
    if (auto ok = make(lanes); !ok) refused_ = ok.error().message;
  }
  if (refused_.empty()) {
    return protocol::Vault{.keeper_pid = static_cast<std::uint64_t>(keeper_->pid())};
  }
  for (Registry* lane : lanes) lane->vault.reset();
  dismiss();
  ends_ = {};
  lanes.front()->log(HANDOFF_LOG_WARNING, "this process has no vault: " + refused_);
  return protocol::Vault{.refused = refused_};
}

Result<void> Vaults::make(const std::vector<Registry*>& lanes) {
  auto header = vault::Span::map(ends_.memory.get(), 0, vault::kHeaderSpan, true);
  if (!header) return Failure(header.error());
  header_ = std::move(*header);
  if (const int error = header_.allocate(0, vault::kCompleteAt + sizeof(vault::Complete))) {
    return Failure(Error::from_errno(error, "memory for a vault"));
  }
  auto& complete = *reinterpret_cast<vault::Complete*>(header_.data() + vault::kCompleteAt);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    auto span = vault::Span::map(ends_.memory.get(), vault::lane_at(i), vault::kLaneSpan, true);
    if (!span) return Failure(span.error());
    auto writer = vault::Writer::make(std::move(*span));
    if (!writer) return Failure(writer.error());
    lanes[i]->vault = std::make_unique<LaneVault>(std::move(*writer), complete.lane[i]);
  }
  const Registry& registry = *lanes.front();
  vault::Header h{};
  h.generation = registry.generation;
  h.pid = static_cast<std::uint32_t>(::getpid());
  h.lanes = static_cast<std::uint32_t>(lanes.size());
  put_name(h.service, registry.service);
  put_name(h.release, registry.release);
  h.kinds = static_cast<std::uint32_t>(registry.kinds.size());
  for (std::size_t i = 0; i < registry.kinds.size(); ++i) {
    const SessionKind& kind = registry.kinds[i];
    put_name(h.kind[i].name, kind.name);
    h.kind[i].version = registry.format_of(static_cast<std::uint32_t>(i)).version;
    h.kind[i].flags =
        (kind.of_listener ? vault::kOfListener : 0) | (kind.stateless ? vault::kStateless : 0);
  }
  constexpr std::size_t kFrom = offsetof(vault::Header, generation);
  h.checksum = XXH3_64bits(reinterpret_cast<const char*>(&h) + kFrom, sizeof h - kFrom);
  std::memcpy(header_.data() + sizeof h.magic, reinterpret_cast<const char*>(&h) + sizeof h.magic,
              sizeof h - sizeof h.magic);
  vault::store(reinterpret_cast<vault::Header*>(header_.data())->magic, vault::kMagic);
  return {};
}

void Vaults::complete(const std::vector<Registry*>& lanes) const {
  for (const Registry* lane : lanes) {
    if (lane->vault != nullptr) lane->vault->count();
  }
}

// From here on nobody is to recover from it, also if this process is killed before its keeper ends.
// A fork that ends in the service's own code has no vault: the keeper is its parent's.
void Vaults::dismiss() const {
  if (::getpid() != process_) return;
  if (header_.data() != nullptr) {
    auto& complete = *reinterpret_cast<vault::Complete*>(header_.data() + vault::kCompleteAt);
    for (std::uint32_t& lane : complete.lane) vault::store(lane, 0U);
  }
  if (keeper_) keeper_->dismiss();
}

}  // namespace handoff::io
