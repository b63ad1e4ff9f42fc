#include "libhandoff/copy/service_receiver.h"

#include <span>
#include <string>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

constexpr const char* kLinked = "linked()";

std::string name_of(const SectionDecl& section) { return "section '" + section.name + "'"; }
std::string name_of(const Region& region) { return "region '" + region.name() + "'"; }

}  // namespace

void ServiceReceiver::set_kinds(const core::Manifest& donor, std::vector<DonorKind> kinds) {
  kinds_ = std::move(kinds);
  amounts_.assign(kinds_.size(), {});
  section_stays_.assign(registry_.sections.size(), false);
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    if (!kinds_[i].section || kinds_[i].version != 0) continue;
    for (std::size_t s = 0; s < registry_.sections.size(); ++s) {
      if (registry_.sections[s].name == donor.kinds[i].name) section_stays_[s] = true;
    }
  }
}

Result<void> ServiceReceiver::apply_named(std::string_view body, std::vector<UniqueFd>& fds) {
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
    if (!internal) {
      NamedFd& entry = it->second;
      entry.address = named.address;
      if (entry.moved.valid()) {  // the donor's stays with the donor and the supervisor
        entry.fd = std::move(entry.moved);
        entry.address = entry.moved_address;
      }
      entry.nonblocking = is_nonblocking(entry.fd.get());
    }
    ++named_count_;
  }
  return {};
}

Result<void> ServiceReceiver::apply_region(std::string_view body, std::vector<UniqueFd>& fds) {
  const auto message = protocol::decode<protocol::Region>(body);
  if (!message) return Failure(message.error());
  if (message->kind >= kinds_.size() || !kinds_[message->kind].region ||
      kinds_[message->kind].version == 0) {
    return malformed("Region: of no region");
  }
  if (fds.size() != 1) return malformed("Region: " + std::to_string(fds.size()) + " fds, not one");
  const DonorKind& kind = kinds_[message->kind];
  Region& region = registry_.regions[kind.ours];
  const auto taken = region.take(std::move(fds[0]), *message, kind.version);
  if (taken || rehearsal_ == nullptr || taken.error().code != HANDOFF_ERR_REJECTED) return taken;
  (void)rehearsal_->refuse_part(name_of(region), taken.error());
  return {};
}

Result<void> ServiceReceiver::apply_chunk(std::string_view body, RingReceiver& ring) {
  const auto chunk = protocol::decode<protocol::SectionChunk>(body);
  if (!chunk) return Failure(chunk.error());
  if (chunk->kind >= kinds_.size() || !kinds_[chunk->kind].section ||
      kinds_[chunk->kind].version == 0) {
    return malformed("SectionChunk: of no section");
  }
  const auto lies = ring.take("SectionChunk", {chunk->slot, chunk->length, chunk->checksum});
  if (!lies) return Failure(lies.error());
  const std::string_view bytes = *lies;
  const DonorKind& kind = kinds_[chunk->kind];
  const SectionDecl& section = registry_.sections[kind.ours];
  amounts_[chunk->kind].bytes += bytes.size();
  ++amounts_[chunk->kind].chunks;
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

Result<void> ServiceReceiver::finish(SectionDecl& section) {
  if (rehearsal_ != nullptr && rehearsal_->refused_part(name_of(section))) return {};
  const std::uint64_t begun = now_ns();
  const auto ok = registry_.call(name_of(section) + ": finish()",
                                 [&] { return section.ops.finish(section.user); });
  if (rehearsal_ != nullptr) rehearsal_->notes.finish_ns += now_ns() - begun;
  if (ok) return {};
  if (rehearsal_ != nullptr && rehearsal_->refuse_part(name_of(section), ok.error())) return {};
  return Failure(ok.error());
}

// Frozen: the service may look at them. Whether one came at all is known now.
Result<void> ServiceReceiver::adopt_regions() {
  for (const DonorKind& kind : kinds_) {
    if (!kind.region) continue;
    Region& region = registry_.regions[kind.ours];
    const RegionDecl& declared = region.declared();
    if (kind.version == 0) {
      registry_.log(HANDOFF_LOG_WARNING,
                    name_of(region) + " starts empty: this release does not take its layout");
      if (rehearsal_ != nullptr) continue;
      if (const auto ok = region.start_empty(); !ok) return ok;
      reset(region);
      continue;
    }
    if (!region.taken()) return malformed(name_of(region) + " never came");
    if (rehearsal_ != nullptr) continue;
    if (const auto measured = region.measure(); !measured) return measured;
    if (declared.ops.adopt == nullptr) continue;
    const auto ok = registry_.call(name_of(region) + ": adopt()", [&] {
      const std::span<const std::byte> view = region.view();
      return declared.ops.adopt(declared.user, region.version(), view.data(), view.size());
    });
    if (!ok) return Failure(ok.error());
  }
  return {};
}

void ServiceReceiver::reset(const Region& region) {
  const RegionDecl& declared = region.declared();
  if (declared.ops.reset == nullptr) return;
  registry_.tell("reset()", [&] { declared.ops.reset(declared.user); });
}

Result<void> ServiceReceiver::restore() {
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
  if (const auto ok = adopt_regions(); !ok) return ok;
  if (const auto ok = link(); !ok) return ok;
  if (rehearsal_ == nullptr) return registry_.bind_missing();
  rehearsal_->try_missing(registry_);
  return {};
}

// A rehearsal that was refused a section has no whole to link.
Result<void> ServiceReceiver::link() {
  if (registry_.callbacks.linked == nullptr) return {};
  if (rehearsal_ != nullptr && rehearsal_->refused_any_part()) return {};
  const std::uint64_t begun = now_ns();
  const auto ok = registry_.call(
      kLinked, [this] { return registry_.callbacks.linked(registry_.callbacks_user); });
  if (rehearsal_ != nullptr) rehearsal_->notes.finish_ns += now_ns() - begun;
  if (ok) return {};
  if (rehearsal_ != nullptr && rehearsal_->refuse_part(kLinked, ok.error())) return {};
  return Failure(ok.error());
}

void ServiceReceiver::count() {
  protocol::Rehearsed& notes = rehearsal_->notes;
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    protocol::Amount& amount = notes.amounts[i];
    if (kinds_[i].region) {
      amount.bytes = registry_.regions[kinds_[i].ours].view().size();
      continue;
    }
    amount.count += amounts_[i].chunks;
    amount.bytes += amounts_[i].bytes;
  }
}

void ServiceReceiver::start_empty() {
  for (SectionDecl& section : registry_.sections) {
    const auto ok = registry_.call("section '" + section.name + "': reset()", [&] {
      section.ops.reset(section.user);
      return 0;
    });
    if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
  for (Region& region : registry_.regions) {
    // The donor died, maybe in the middle of a change to the region.
    if (const auto ok = region.start_empty(); !ok) {
      registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    }
    reset(region);
  }
}

void ServiceReceiver::bind() {
  if (const auto ok = link(); !ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  const auto bound = registry_.bind_missing();
  if (!bound) registry_.log(HANDOFF_LOG_ERROR, bound.error().message);
}

void ServiceReceiver::adopt() {
  for (Region& region : registry_.regions) {
    if (const auto ok = region.own(); !ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
}

void ServiceReceiver::drop() {
  for (Region& region : registry_.regions) region.drop();
  registry_.close_named();
}

}  // namespace handoff::io
