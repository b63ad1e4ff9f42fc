#include "libhandoff/copy/vault_record.h"

#include <optional>
#include <string>

#include "libhandoff/copy/session_record.h"
#include "libhandoff/service/lane_vault.h"

namespace handoff::io {
namespace {

// So much sent output may stay in the vault.
constexpr std::uint64_t kMuch = std::uint64_t{16} << 10;

std::optional<core::Stretch> stretch_of(const vault::Writer::Has& has) {
  if (has.from == has.end) return std::nullopt;
  return core::Stretch{has.from, has.end};
}

vault::Why why_not(const Registry& registry, std::uint64_t id, const SessionEntry& entry,
                   const handoff_saved& saved) {
  if (entry.no_fd) return vault::Why::kNoSocket;
  if (entry.stays) return vault::Why::kStays;
  if (registry.sessions.fds().any() && !registry.sessions.fds().of(id).empty()) {
    return vault::Why::kFds;
  }
  if (!saved.layer.view().empty()) return vault::Why::kLayer;
  if (!saved.input.placed() || !saved.output.placed()) return vault::Why::kUnplaced;
  return vault::Why::kNone;
}

vault::Stretch kept(const SavedStretch& saved) {
  return {saved.placed()->begin, saved.placed()->size(), saved.bytes()};
}

}  // namespace

Result<bool> put_in_vault(Registry& registry, std::uint64_t id) {
  if (registry.vault == nullptr) return false;
  const auto it = registry.sessions.find(id);
  if (it == registry.sessions.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  LaneVault& lane = *registry.vault;
  vault::Writer& writer = *lane.writer;
  const SessionEntry& entry = it->second;
  lane.enter(id, entry);
  handoff_saved& saved = lane.saved;
  const auto ok =
      save_session(registry, id, entry, registry.format_of(entry.kind).version, saved,
                   {stretch_of(writer.has_input(id)), stretch_of(writer.has_output(id))});
  vault::State state{.why = ok ? why_not(registry, id, entry, saved) : vault::Why::kSave};
  if (!ok) registry.log(HANDOFF_LOG_WARNING, ok.error().message + "; the vault does not keep it");
  if (state.why == vault::Why::kNone) {
    state.state = saved.state;
    state.input = kept(saved.input);
    state.output = kept(saved.output);
    state.flags = saved.flags;
  }
  writer.put(id, state);
  return state.output.size > (writer.is_local(id) ? 0 : kMuch);
}

}  // namespace handoff::io
