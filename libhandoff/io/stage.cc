#include "io/stage.h"

#include <algorithm>

#include "io/process.h"
#include "io/socket.h"
#include "protocol/limits.h"

namespace handoff::io {
namespace {

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

std::string name_of(const SectionDecl& section) { return "section '" + section.name + "'"; }

}  // namespace

Result<void> Stage::set_kinds(const core::Manifest& donor,
                              const std::vector<std::uint32_t>& versions) {
  section_stays_.assign(registry_.sections.size(), false);
  for (std::size_t i = 0; i < donor.kinds.size(); ++i) {
    const core::Kind& kind = donor.kinds[i];
    DonorKind mapped{.version = versions[i], .section = kind.section};
    if (mapped.version == 0) {  // it stays with the donor
      kinds_.push_back(mapped);
      for (std::size_t s = 0; s < registry_.sections.size(); ++s) {
        if (kind.section && registry_.sections[s].name == kind.name) section_stays_[s] = true;
      }
      continue;
    }
    const auto same = [&](const auto& ours) { return ours.name == kind.name; };
    if (kind.section) {
      const auto it = std::find_if(registry_.sections.begin(), registry_.sections.end(), same);
      if (it == registry_.sections.end()) return malformed("section " + kind.name + "?");
      mapped.ours = static_cast<std::uint32_t>(it - registry_.sections.begin());
    } else {
      const auto it = std::find_if(registry_.kinds.begin(), registry_.kinds.end(), same);
      if (it == registry_.kinds.end()) return malformed("kind " + kind.name + "?");
      mapped.ours = static_cast<std::uint32_t>(it - registry_.kinds.begin());
    }
    kinds_.push_back(mapped);
  }
  return {};
}

Result<void> Stage::apply_named(std::string_view body, std::vector<UniqueFd>& fds) {
  const auto message = protocol::decode<protocol::Listeners>(body);
  if (!message) return Failure(message.error());
  if (named_complete()) return malformed("Listeners after the last one");
  if (message->total > protocol::kMaxNamed || (named_seen_ && message->total != named_total_) ||
      named_count_ + message->named.size() > message->total) {
    return malformed("Listeners: the counts do not agree");
  }
  if (message->named.size() != fds.size()) {
    return malformed("Listeners: " + std::to_string(message->named.size()) + " names and " +
                     std::to_string(fds.size()) + " fds");
  }
  named_seen_ = true;
  named_total_ = message->total;
  for (const protocol::Named& named : message->named) {
    const bool internal = named.name.starts_with(protocol::kInternalName);
    const auto it = registry_.named.find(named.name);
    if (!internal && it == registry_.named.end()) {
      return fail(HANDOFF_ERR_UNKNOWN, "'" + named.name + "' is not claimed by this release");
    }
    UniqueFd& place = internal ? internal_[named.name] : it->second.fd;
    if (named.fd_index >= fds.size() || !fds[named.fd_index].valid() || place.valid()) {
      return malformed("Listeners: '" + named.name + "' has no fd of its own");
    }
    UniqueFd fd = std::move(fds[named.fd_index]);
    const auto identity = identity_of(fd.get());
    if (!identity) return Failure(identity.error());
    if (*identity != Identity{named.inode, named.device}) {
      return fail(HANDOFF_ERR_IDENTITY, "'" + named.name + "' (" + named.address +
                                            ") is not the socket announced: inode " +
                                            std::to_string(identity->inode) + " instead of " +
                                            std::to_string(named.inode));
    }
    place = std::move(fd);
    if (!internal) it->second.address = named.address;
    ++named_count_;
  }
  return {};
}

Result<void> Stage::apply_ring(std::string_view body, std::vector<UniqueFd>& fds) {
  const auto ring = protocol::decode<protocol::Ring>(body);
  if (!ring) return Failure(ring.error());
  if (ring_.data() != nullptr || fds.size() != 1) return malformed("Ring: not one, or again");
  if (ring->slots == 0 || ring->slots > 1024 || ring->slot_size == 0 ||
      ring->slot_size > HANDOFF_CHUNK_MAX) {
    return malformed("Ring: " + std::to_string(ring->slots) + " slots of " +
                     std::to_string(ring->slot_size) + " bytes");
  }
  auto mapping = map_ring(fds[0].get(), std::size_t{ring->slots} * ring->slot_size);
  if (!mapping) return Failure(mapping.error());
  ring_ = std::move(*mapping);
  ring_slots_ = ring->slots;
  ring_slot_size_ = ring->slot_size;
  return {};
}

Result<void> Stage::apply_chunk(std::string_view body) {
  const auto chunk = protocol::decode<protocol::SectionChunk>(body);
  if (!chunk) return Failure(chunk.error());
  if (chunk->kind >= kinds_.size() || !kinds_[chunk->kind].section ||
      kinds_[chunk->kind].version == 0) {
    return malformed("SectionChunk: of no section");
  }
  if (chunk->slot >= ring_slots_ || chunk->length > ring_slot_size_) {
    return malformed("SectionChunk: outside of the ring");
  }
  const std::string_view bytes(ring_.data() + std::size_t{chunk->slot} * ring_slot_size_,
                               chunk->length);
  if (checksum(bytes) != chunk->checksum) return malformed("SectionChunk: wrong checksum");
  DonorKind& kind = kinds_[chunk->kind];
  const SectionDecl& section = registry_.sections[kind.ours];
  kind.bytes += bytes.size();
  ++kind.chunks;
  ++chunks_;
  if (rehearsal_ != nullptr && rehearsal_->refused_part(name_of(section))) return {};
  const auto written = registry_.call(name_of(section) + ": write()", [&] {
    return section.ops.write(section.user, kind.version, bytes.data(), bytes.size());
  });
  if (written) return {};
  if (rehearsal_ != nullptr && rehearsal_->refuse_part(name_of(section), written.error())) {
    return {};
  }
  return Failure(written.error());
}

Result<void> Stage::apply_sessions(std::string_view body, std::vector<UniqueFd>& fds) {
  const auto message = protocol::decode<protocol::Sessions>(body);
  if (!message) return Failure(message.error());
  std::size_t next_fd = 0;
  for (const protocol::Session& record : message->sessions) {
    const auto ok = stage(record, fds, next_fd);
    if (!ok) return ok;
  }
  if (next_fd != fds.size()) {
    return malformed("Sessions: " + std::to_string(fds.size()) + " fds, of which " +
                     std::to_string(next_fd) + " belong to a session");
  }
  for (const std::uint64_t id : message->closed) {
    const auto it = staged_.find(id);
    if (it == staged_.end()) {
      return malformed("Sessions: closes " + std::to_string(id) + ", which was never opened");
    }
    drop(id, it->second);
    staged_.erase(it);
  }
  return {};
}

Result<void> Stage::stage(const protocol::Session& record, std::vector<UniqueFd>& fds,
                          std::size_t& next_fd) {
  const std::string who = "session " + std::to_string(record.id);
  if (record.kind >= kinds_.size() || kinds_[record.kind].section ||
      kinds_[record.kind].version == 0) {
    return malformed(who + " is of an unknown kind");
  }
  const auto found = staged_.find(record.id);
  if (record.has_fd == (found != staged_.end())) {
    return malformed(who + (record.has_fd ? " came twice" : " changed before it came"));
  }
  UniqueFd fd;
  if (record.has_fd) {
    if (next_fd >= fds.size()) return malformed(who + " came without its fd");
    fd = std::move(fds[next_fd++]);
    const auto identity = identity_of(fd.get());
    if (!identity) return Failure(identity.error());
    if (identity->inode != record.inode) {
      return fail(HANDOFF_ERR_IDENTITY, who + " is not the socket announced");
    }
  }
  Staged& staged = record.has_fd ? staged_[record.id] : found->second;
  if (record.has_fd) {
    staged.fd = std::move(fd);
    staged.inode = record.inode;
  }
  staged.donors_kind = record.kind;
  staged.kind = kinds_[record.kind].ours;
  staged.version = kinds_[record.kind].version;
  staged.independent = (record.flags & protocol::kSessionIndependent) != 0;
  staged.layer_flags = record.layer_flags;
  staged.counters = record.counters;
  staged.stale = true;
  const auto taken = take_state(record, fds, next_fd, staged);
  if (!taken) return taken;
  staged.bytes = staged.state.size() + staged.input.size() + staged.output.size();
  // Armed early, if the service can also take a newer state later.
  if (registry_.callbacks.update == nullptr) return {};
  return rehearsal_ != nullptr ? rehearse(record.id, staged) : restore(record.id, staged);
}

Result<void> Stage::take_state(const protocol::Session& record, std::vector<UniqueFd>& fds,
                               std::size_t& next_fd, Staged& staged) {
  if (!record.blob) {
    staged.state = record.state;
    staged.input = record.input;
    staged.output = record.output;
    return {};
  }
  if (next_fd >= fds.size()) {
    return malformed("session " + std::to_string(record.id) + " came without its memfd");
  }
  const UniqueFd fd = std::move(fds[next_fd++]);
  const protocol::Blob& blob = *record.blob;
  const std::uint64_t size = blob.state_length + blob.input_length + blob.output_length;
  const auto mapping = map_blob(fd.get(), size);
  if (!mapping) return Failure(mapping.error());
  const std::string_view all(mapping->data(), size);
  const std::string_view state = all.substr(0, blob.state_length);
  const std::string_view input = all.substr(blob.state_length, blob.input_length);
  const std::string_view output = all.substr(blob.state_length + blob.input_length);
  if (checksum(state, input, output) != blob.checksum) {
    return malformed("session " + std::to_string(record.id) + ": wrong checksum of its state");
  }
  staged.state = state;
  staged.input = input;
  staged.output = output;
  return {};
}

Result<void> Stage::restore(std::uint64_t id, Staged& staged) {
  if (!staged.stale) return {};
  SessionKind& kind = registry_.kinds[staged.kind];
  const auto converted = registry_.convert(kind, staged.version, kind.version, staged.state);
  if (!converted) return converted;
  handoff_adopted adopted{};
  adopted.size = sizeof adopted;
  adopted.id = id;
  adopted.kind = kind.name.c_str();
  adopted.fd = staged.restored ? -1 : staged.fd.get();
  adopted.state = staged.state.data();
  adopted.state_length = staged.state.size();
  adopted.input = staged.input.data();
  adopted.input_length = staged.input.size();
  adopted.output = staged.output.data();
  adopted.output_length = staged.output.size();
  adopted.flags = staged.layer_flags;
  const bool first = !staged.restored;
  if (first) {
    // The service takes it in the callback; whether it came to that before a failure, only it
    // knows.
    staged.borrowed = staged.fd.release();
    staged.restored = true;
  }
  const auto callback = first ? registry_.callbacks.restore : registry_.callbacks.update;
  const auto result = registry_.call(
      std::string(first ? "restore" : "update") + "() of " + registry_.describe(id, staged.kind),
      [&] { return callback == nullptr ? -ENOSYS : callback(registry_.callbacks_user, &adopted); });
  staged.stale = false;
  for (std::string* text : {&staged.state, &staged.input, &staged.output}) {
    text->clear();
    text->shrink_to_fit();  // the service has it now; twice would be once too often
  }
  if (!result) {
    staged.failed = first;
    return Failure(result.error());
  }
  return {};
}

Result<void> Stage::rehearse(std::uint64_t id, Staged& staged) {
  if (!staged.stale) return {};
  const std::uint64_t begun = now_ns();
  const auto ok = restore(id, staged);
  rehearsal_->notes.spent_ns += now_ns() - begun;
  if (ok) return {};
  staged.refused = true;
  staged.stale = false;
  const std::string what = "session kind '" + registry_.kinds[staged.kind].name + "'";
  return rehearsal_->refuse_session(id, what, ok.error()) ? Result<void>{} : ok;
}

Result<void> Stage::finish(SectionDecl& section) {
  if (rehearsal_ != nullptr && rehearsal_->refused_part(name_of(section))) return {};
  const std::uint64_t begun = now_ns();
  const auto ok = registry_.call(name_of(section) + ": finish()",
                                 [&] { return section.ops.finish(section.user); });
  if (rehearsal_ != nullptr) rehearsal_->notes.finish_ns += now_ns() - begun;
  if (ok) return {};
  if (rehearsal_ != nullptr && rehearsal_->refuse_part(name_of(section), ok.error())) return {};
  return Failure(ok.error());
}

Result<void> Stage::restore_sessions() {
  for (auto& [id, staged] : staged_) {
    const auto ok = rehearsal_ != nullptr ? rehearse(id, staged) : restore(id, staged);
    if (!ok) return ok;
  }
  return {};
}

void Stage::restore_what_can_be() {
  for (auto it = staged_.begin(); it != staged_.end();) {
    auto& [id, staged] = *it;
    const auto ok = restore(id, staged);
    if (ok) {
      ++it;
      continue;
    }
    registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    reset_on_close(staged.restored ? staged.borrowed : staged.fd.get());
    drop(id, staged);
    it = staged_.erase(it);
    ++lost_;
  }
}

std::vector<std::uint64_t> Stage::ids() const {
  std::vector<std::uint64_t> out;
  for (const auto& [id, staged] : staged_) out.push_back(id);
  return out;
}

Result<void> Stage::restore_all() {
  if (const auto ok = restore_sessions(); !ok) return ok;
  for (std::size_t i = 0; i < registry_.sections.size(); ++i) {
    SectionDecl& section = registry_.sections[i];
    if (i < section_stays_.size() && section_stays_[i]) {
      registry_.log(
          HANDOFF_LOG_WARNING,
          "section '" + section.name +
              "' starts empty: the donor writes no version of it that this release reads");
      registry_.tell("reset()", [&] { section.ops.reset(section.user); });
      continue;
    }
    if (const auto ok = finish(section); !ok) return ok;
  }
  if (rehearsal_ == nullptr) return registry_.bind_missing();
  rehearsal_->try_missing(registry_);
  return {};
}

void Stage::count() {
  protocol::Rehearsed& notes = rehearsal_->notes;
  notes.amounts.clear();
  for (const DonorKind& kind : kinds_) {
    const std::string& name =
        kind.section ? registry_.sections[kind.ours].name : registry_.kinds[kind.ours].name;
    notes.amounts.push_back({name, kind.section, kind.chunks, kind.bytes});
  }
  notes.sessions = staged_.size();
  notes.refused = 0;
  notes.passed = 0;
  for (const auto& [id, staged] : staged_) {
    protocol::Amount& amount = notes.amounts[staged.donors_kind];
    ++amount.count;
    amount.bytes += staged.bytes;
    if (staged.refused) ++notes.refused;
    if (staged.restored && !staged.refused) ++notes.passed;
  }
}

bool Stage::unmoved(const Staged& staged) const {
  if (!staged.independent || !staged.counters) return false;
  const auto now = counters_of(staged.restored ? staged.borrowed : staged.fd.get());
  return now && *now == *staged.counters;
}

void Stage::keep_unmoved(std::uint64_t expected) {
  for (SectionDecl& section : registry_.sections) {
    const auto ok = registry_.call("section '" + section.name + "': reset()", [&] {
      section.ops.reset(section.user);
      return 0;
    });
    if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
  keep_unmoved_sessions(expected);
  const auto bound = registry_.bind_missing();
  if (!bound) registry_.log(HANDOFF_LOG_ERROR, bound.error().message);
}

void Stage::keep_unmoved_sessions(std::uint64_t expected) {
  const std::uint64_t had = std::max<std::uint64_t>(expected, staged_.size());
  const auto lose = [this](std::uint64_t id) {
    if (lost_ids_.size() < kNamedLost) lost_ids_.push_back(id);
  };
  for (auto it = staged_.begin(); it != staged_.end();) {
    auto& [id, staged] = *it;
    if (unmoved(staged)) {
      const auto ok = restore(id, staged);
      if (ok) {
        ++it;
        continue;
      }
      registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    }
    // Its state is not that of its stream: a reset is honest, an answer would not be.
    reset_on_close(staged.restored ? staged.borrowed : staged.fd.get());
    lose(id);
    drop(id, staged);
    it = staged_.erase(it);
  }
  lost_ = had - staged_.size();
}

void Stage::adopt_all() {
  for (auto& [id, staged] : staged_) {
    SessionEntry& entry = registry_.sessions[id];
    entry.fd = staged.borrowed;
    entry.inode = staged.inode;
    entry.kind = staged.kind;
    entry.independent = staged.independent;
    ++registry_.untracked;  // until it is touched
    if (registry_.observer != nullptr) registry_.observer->session_changed(id, entry);
  }
  staged_.clear();
  ring_ = {};
}

void Stage::drop(std::uint64_t id, Staged& staged) {
  if (staged.restored && registry_.callbacks.drop != nullptr) {
    const auto ok = registry_.call("drop() of " + registry_.describe(id, staged.kind), [&] {
      registry_.callbacks.drop(registry_.callbacks_user, id);
      return 0;
    });
    if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
  // What restore() did not take before it failed, drop() did not close: in a process that goes on
  // it would stay open.
  if (staged.failed) {
    const auto identity = identity_of(staged.borrowed);
    if (identity && identity->inode == staged.inode) UniqueFd(staged.borrowed).reset();
  }
  staged.fd.reset();
}

void Stage::drop_sessions() {
  for (auto& [id, staged] : staged_) drop(id, staged);
  staged_.clear();
}

void Stage::drop_all() {
  drop_sessions();
  registry_.close_named();
}

}  // namespace handoff::io
