#include "libhandoff/copy/service_sender.h"

#include <algorithm>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

using protocol::Type;

std::string name_of(const SectionDecl& section) { return "section '" + section.name + "'"; }

int phase_of(Round round) {
  switch (round) {
    case Round::kFirst:
      return HANDOFF_PHASE_SNAPSHOT;
    case Round::kAgain:
      return HANDOFF_PHASE_CHANGES;
    case Round::kFrozen:
      break;
  }
  return HANDOFF_PHASE_FINAL;
}

}  // namespace

ServiceSender::~ServiceSender() { end(false); }

Result<void> ServiceSender::begin(Round round) {
  round_ = round;
  section_ = 0;
  bytes_before_ = bytes_;
  asked_at_ns_ = 0;
  if (round != Round::kFirst) return {};
  part_ = Part::kNamed;
  for (auto& [name, named] : registry_.named) {
    named.nonblocking = named.fd.valid() && (named.nonblocking || is_nonblocking(named.fd.get()));
    if (!named.fd.valid() || leaving_.has(name)) continue;
    named_.push_back({name, named.address, named.fd.get()});
  }
  for (const LinkEnd& end : links_) named_.push_back({end.name, "", end.fd});
  named_total_ = named_.size();
  return begin_sections();
}

Result<void> ServiceSender::begin_sections() {
  for (std::size_t i = 0; i < registry_.sections.size(); ++i) {
    sections_begun_ = true;
    SectionDecl& section = registry_.sections[i];
    if (!section_travels(i)) {
      registry_.log(HANDOFF_LOG_WARNING,
                    name_of(section) + " is not handed over: " +
                        (leaving_.has_kind(section_kind(i))
                             ? "the new release does not claim it"
                             : "the heir reads no version that this release writes"));
      continue;
    }
    const auto ok = registry_.call(name_of(section) + ": begin()", [&] {
      return section.ops.begin(section.user, versions_[section_kind(i)]);
    });
    if (!ok) return Failure(ok.error());
  }
  return {};
}

void ServiceSender::end(bool moved) {
  if (!sections_begun_) return;
  sections_begun_ = false;
  for (std::size_t i = 0; i < registry_.sections.size(); ++i) {
    if (!section_travels(i)) continue;
    SectionDecl& section = registry_.sections[i];
    registry_.tell(name_of(section) + ": end()",
                   [&] { section.ops.end(section.user, moved ? 1 : 0); });
  }
}

void ServiceSender::let_go() {
  for (std::size_t i = 0; i < registry_.regions.size(); ++i) {
    if (region_travels(i)) registry_.regions[i].let_go();
  }
}

Result<Pumped> ServiceSender::send_first() {
  if (part_ == Part::kNamed) return send_named();
  if (part_ == Part::kRegions) {
    const auto sent = send_region();
    if (!sent || *sent != Pumped::kDone) return sent;
    part_ = registry_.sections.empty() ? Part::kNone : Part::kRing;
  }
  if (part_ == Part::kNone) return Pumped::kDone;
  const auto sent = ring_.announce(protocol::kRingSlotSize);
  if (sent && *sent == Pumped::kSent) part_ = Part::kNone;
  return sent;
}

// A service without named fds sends one empty frame.
Result<Pumped> ServiceSender::send_named() {
  if (first_fd_at_ns_ == 0) first_fd_at_ns_ = now_ns();
  protocol::Listeners message;
  message.total = named_total_;
  std::vector<int> fds;
  const std::size_t n = std::min<std::size_t>(named_.size(), 64);
  for (std::size_t i = 0; i < n; ++i) {
    const Passed& named = named_[named_.size() - 1 - i];
    const auto identity = identity_of(named.fd);
    if (!identity) return Failure(identity.error());
    message.named.push_back({.name = named.name,
                             .address = named.address,
                             .inode = identity->inode,
                             .device = identity->device,
                             .fd_index = static_cast<std::uint32_t>(fds.size())});
    fds.push_back(named.fd);
  }
  const auto sent = frames_.send(Type::kListeners, encode(message), fds);
  if (sent && *sent == Pumped::kSent) {
    named_.resize(named_.size() - n);
    if (named_.empty()) part_ = Part::kRegions;
  }
  return sent;
}

Result<Pumped> ServiceSender::send_region() {
  for (; region_ < registry_.regions.size(); ++region_) {
    Region& region = registry_.regions[region_];
    if (!region_travels(region_)) {
      registry_.log(HANDOFF_LOG_WARNING,
                    "region '" + region.name() + "' is not handed over: the heir does not " +
                        (leaving_.has_kind(region_kind(region_)) ? "claim it"
                                                                 : "take the layout that it has"));
      continue;
    }
    if (!region.owned()) {  // the last donor died, and there was no memory for a new one
      if (const auto ok = region.start_empty(); !ok) return Failure(ok.error());
    }
    const auto announced = region.announce(leaving_.on_wire(region_kind(region_)));
    if (!announced) return Failure(announced.error());
    const int fd = region.fd();
    const auto sent = frames_.send(Type::kRegion, encode(*announced), {&fd, 1});
    if (sent && *sent == Pumped::kSent) ++region_;
    return sent;
  }
  return Pumped::kDone;
}

Result<Pumped> ServiceSender::send_chunk() {
  if (asked_at_ns_ == 0) asked_at_ns_ = now_ns();
  for (; section_ < registry_.sections.size(); ++section_) {
    if (!section_travels(section_)) continue;
    if (waiting_chunk_ == 0) {
      const auto n = read(registry_.sections[section_], ring_.slot());
      if (!n) return Failure(n.error());
      if (*n == 0) continue;
      waiting_chunk_ = static_cast<std::uint32_t>(*n);
    }
    const protocol::InRing place = ring_.place({ring_.slot(), waiting_chunk_});
    const protocol::SectionChunk chunk{.kind = leaving_.on_wire(section_kind(section_)),
                                       .slot = place.slot,
                                       .length = place.length,
                                       .checksum = place.checksum};
    const auto sent = ring_.send(Type::kSectionChunk, encode(chunk));
    if (sent && *sent == Pumped::kSent) {
      ++chunks_;
      bytes_ += waiting_chunk_;
      waiting_chunk_ = 0;
    }
    return sent;
  }
  return Pumped::kDone;
}

ServiceSender::Given ServiceSender::given() const {
  const std::uint64_t bytes = bytes_ - bytes_before_;
  if (bytes == 0) return {};
  return {bytes, static_cast<core::Duration>((now_ns() - asked_at_ns_) / 1000)};
}

Result<int> ServiceSender::read_change(void* chunk) {
  if (round_ == Round::kFirst) {
    round_ = Round::kAgain;
    section_ = 0;
  }
  for (; section_ < registry_.sections.size(); ++section_) {
    if (!section_travels(section_)) continue;
    auto n = read(registry_.sections[section_], chunk);
    if (!n || *n != 0) return n;
  }
  return 0;
}

Result<int> ServiceSender::read(SectionDecl& section, void* chunk) {
  const auto n = registry_.call(name_of(section) + ": read()", [&] {
    const ssize_t length =
        section.ops.read(section.user, phase_of(round_), chunk, HANDOFF_CHUNK_MAX);
    return static_cast<int>(std::min<ssize_t>(length, HANDOFF_CHUNK_MAX + 1));
  });
  if (!n) return Failure(n.error());
  if (*n > static_cast<int>(HANDOFF_CHUNK_MAX)) {
    return fail(HANDOFF_ERR_REJECTED, name_of(section) + ": read() says it wrote beyond its chunk");
  }
  return *n;
}

}  // namespace handoff::io
