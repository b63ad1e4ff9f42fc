#include "libhandoff/copy/vault_record.h"

#include <new>
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
  const auto place = saved.placed();
  if (!place) return {};  // why_not() has said so
  return {place->begin, place->size(), saved.bytes()};
}

// What goes on behind a stretch of before. room: for those bytes of it that are within its slot,
// which are written again.
vault::Stretch behind(const vault::Stretch& before, std::uint64_t dropped, std::string_view bytes,
                      std::string& room) {
  const std::uint64_t left = before.size - dropped;
  vault::Stretch out{before.from + dropped, left + bytes.size(), bytes};
  if (left == 0 || before.tail.empty()) return out;
  room.append(before.tail.substr(dropped)).append(bytes);
  out.tail = room;
  return out;
}

void keep_arrival(vault::Writer& writer, std::uint64_t id, const Arrival& a) {
  const vault::Writer::Newest before = writer.newest(id);
  const bool whole = !a.input_dropped && !a.output_dropped;
  vault::State state{.anew = whole, .theirs = true};
  const std::uint64_t input_dropped = a.input_dropped.value_or(before.input.size);
  const std::uint64_t output_dropped = a.output_dropped.value_or(before.output.size);
  std::string input_room;
  std::string output_room;
  if (a.has_fds) {
    state.why = vault::Why::kFds;
  } else if (a.has_layer) {
    state.why = vault::Why::kLayer;
  } else if (!whole && before.why != vault::Why::kNone) {
    state.why = before.why;  // the vault lacks what was to be kept of it
  } else if (!whole && (input_dropped > before.input.size || output_dropped > before.output.size)) {
    state.why = vault::Why::kUnplaced;
  } else {
    state.state = a.state;
    state.flags = a.flags;
    state.input = {0, a.input.size(), a.input};
    state.output = {0, a.output.size(), a.output};
  }
  if (!whole && state.why == vault::Why::kNone) {
    state.input = behind(before.input, input_dropped, a.input, input_room);
    state.output = behind(before.output, output_dropped, a.output, output_room);
  }
  writer.put(id, state);
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

void put_arrival(Registry& registry, std::uint64_t id, const SessionEntry& entry,
                 const Arrival& arrival) {
  LaneVault* const lane = registry.vault.get();
  if (lane == nullptr || lane->complete != 0) return;
  lane->enter(id, entry);
  try {
    keep_arrival(*lane->writer, id, arrival);
  } catch (const std::bad_alloc&) {
    lane->writer->break_off("there was no memory for a session that came");
  }
  lane->writer->commit();
}

void drop_arrival(Registry& registry, std::uint64_t id) {
  LaneVault* const lane = registry.vault.get();
  if (lane == nullptr || lane->complete != 0) return;
  lane->writer->close(id);
  lane->writer->commit();
}

void arrived(Registry& registry) {
  if (registry.vault != nullptr) registry.vault->writer->take_over();
}

void count_vault(Registry& registry) {
  if (registry.vault != nullptr) registry.vault->count();
}

}  // namespace handoff::io
