#include "libhandoff-tls/core/state.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "handoff/handoff.h"

namespace handoff::tls {
namespace {

enum Tag : std::uint8_t {
  kHalfMessage = 1,
  kAlpn = 2,
  kServerName = 3,
  kPeerCertificate = 4,
  kConsumed = 5,  // of the first record's plaintext
  kPeerSubject = 6,
  kPeerDigest = 7,
  kDone = 8,   // bytes at the front of the input
  kAgain = 9,  // records behind those that were opened
  kLastKnown = kAgain,
  kMayBePassedOver = 128,
};
constexpr std::uint8_t kAllFlags = kIsClient | kOwesUpdate | kReadClosed | kWriteClosed | kFailed;
constexpr std::size_t kSectionHeader = 5;

// Counts what a Writer writes.
struct Counter {
  std::size_t size = 0;
  void number(std::uint64_t, std::size_t n) { size += n; }
  void bytes(const void*, std::size_t n) { size += n; }
};

struct Writer {
  std::uint8_t* out;
  void number(std::uint64_t value, std::size_t n) {
    for (std::size_t i = n; i-- > 0; value >>= 8) out[i] = static_cast<std::uint8_t>(value);
    out += n;
  }
  void bytes(const void* from, std::size_t n) {
    if (n > 0) std::memcpy(out, from, n);
    out += n;
  }
};

// Once a read has gone beyond the end, all that follows reads zeros, and ok is false.
struct Reader {
  std::string_view rest;
  bool ok = true;
  std::uint64_t number(std::size_t n) {
    std::uint64_t out = 0;
    for (const char byte : take(n)) out = out << 8 | static_cast<std::uint8_t>(byte);
    return out;
  }
  void bytes(void* to, std::size_t n) {
    const std::string_view from = take(n);
    if (!from.empty()) std::memcpy(to, from.data(), from.size());
  }
  std::string_view take(std::size_t n) {
    if (rest.size() < n) {
      ok = false;
      rest = {};
      return {};
    }
    const std::string_view out = rest.substr(0, n);
    rest.remove_prefix(n);
    return out;
  }
};

template <class To>
void put_direction(To& to, const Suite& suite, const Direction& d, bool writes) {
  to.number(d.sequence, 8);
  if (suite.version == Version::kTls13) {
    to.number(d.generation, 4);
    to.bytes(d.secret.data(), suite.hash_size);
    return;
  }
  to.bytes(d.secret.data(), suite.key_size);
  to.bytes(d.iv.data(), suite.iv_size());
  if (writes && suite.has_explicit_nonce()) to.number(d.explicit_nonce, 8);
}

void get_direction(Reader& from, const Suite& suite, Direction& d, bool writes) {
  d.sequence = from.number(8);
  if (suite.version == Version::kTls13) {
    d.generation = static_cast<std::uint32_t>(from.number(4));
    from.bytes(d.secret.data(), suite.hash_size);
    return;
  }
  from.bytes(d.secret.data(), suite.key_size);
  from.bytes(d.iv.data(), suite.iv_size());
  if (writes && suite.has_explicit_nonce()) d.explicit_nonce = from.number(8);
}

template <class To>
void put_section(To& to, Tag tag, std::string_view bytes) {
  if (bytes.empty()) return;
  to.number(tag, 1);
  to.number(bytes.size(), 4);
  to.bytes(bytes.data(), bytes.size());
}

// The beginning of one message, and no whole one.
bool is_half(std::string_view half) {
  if (half.empty()) return false;
  if (half.size() < 4) return true;
  Reader header{half.substr(1, 3)};
  const std::uint64_t size = header.number(3);
  return size <= kMaxTicket && half.size() < 4 + size;
}

Failure wrong(const char* what) {
  return fail(HANDOFF_ERR_PROTOCOL, std::string("the state of a TLS session ") + what +
                                        "; the release before has saved something else, or it was "
                                        "damaged on the way");
}

std::string_view text(const std::vector<std::uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

template <class To>
void RecordState::put(To& to, const Record& r, const Info& info) {
  // Behind a record that waits all is opened again.
  const Unread& unread = r.unread_;
  const bool waits = !unread.empty();
  std::uint8_t flags = 0;
  if (r.role_ == Role::kClient) flags |= kIsClient;
  if (r.owes_update_) flags |= kOwesUpdate;
  if (r.read_closed_ && !waits) flags |= kReadClosed;
  if (r.write_closed_) flags |= kWriteClosed;
  if (r.failed_) flags |= kFailed;
  to.number(kStateVersion, 1);
  to.number(r.suite_->id, 2);
  to.number(flags, 1);
  // 256 << code, so the code is how far the 9th bit has moved.
  to.number(r.limit_ == kMaxFragment ? 0 : std::countr_zero(r.limit_) - 8, 1);
  to.number(std::min(r.idle_, kMaxIdleRecords), 1);
  to.number(r.position_.end(), 8);
  put_direction(to, *r.suite_, waits ? unread.first() : r.read_, false);
  put_direction(to, *r.suite_, r.write_, true);
  put_section(to, kHalfMessage, waits ? std::string_view() : text(r.half_));
  put_section(to, kAlpn, info.alpn);
  put_section(to, kServerName, info.server_name);
  put_section(to, kPeerCertificate, info.peer_certificate);
  const std::size_t consumed = waits ? unread.consumed() : r.skip_;
  const char bytes[] = {static_cast<char>(consumed >> 8), static_cast<char>(consumed)};
  put_section(to, kConsumed, {bytes, consumed > 0 ? sizeof bytes : 0});
  put_section(to, kPeerSubject, info.peer_subject);
  put_section(to, kPeerDigest, info.peer_digest);
  const auto put_count = [&to](Tag tag, std::size_t count) {
    if (count == 0) return;
    to.number(tag, 1);
    to.number(8, 4);
    to.number(count, 8);
  };
  put_count(kDone, unread.done());
  put_count(kAgain, unread.count() + r.again_);
}

std::size_t RecordState::size(const Record& record, const Info& info) {
  Counter counter;
  put(counter, record, info);
  return counter.size;
}

void RecordState::write(const Record& record, const Info& info, std::uint8_t* out) {
  Writer writer{out};
  put(writer, record, info);
}

Result<void> RecordState::read(std::string_view state, Record& record, Info& info) {
  if (state.empty()) return wrong("is empty");
  Reader from{state};
  if (const std::uint64_t version = from.number(1); version != kStateVersion) {
    return fail(HANDOFF_ERR_VERSION,
                "the state of a TLS session has version " + std::to_string(version) +
                    ", and this release's libhandoff-tls reads version " +
                    std::to_string(kStateVersion) + "; upgrade by a release that knows both");
  }
  const Suite* const suite = find_suite(static_cast<std::uint16_t>(from.number(2)));
  const auto flags = static_cast<std::uint8_t>(from.number(1));
  const auto fragment = static_cast<std::uint8_t>(from.number(1));
  const auto idle = static_cast<unsigned>(from.number(1));
  const std::uint64_t position = from.number(8);
  if (!from.ok) return wrong("is cut");
  if (suite == nullptr) return wrong("names an unknown cipher suite");
  if ((flags & ~kAllFlags) != 0) return wrong("has unknown flags");
  if (idle > kMaxIdleRecords) return wrong("has had more idle records than are let pass");
  if (fragment > 4) return wrong("has an unknown fragment length");
  const bool tls13 = suite->version == Version::kTls13;
  if ((flags & kOwesUpdate) != 0 && !tls13) return wrong("owes a KeyUpdate of TLS 1.2");
  // Into the record itself, so that no key lies elsewhere. A record without a suite refuses all.
  get_direction(from, *suite, record.read_, false);
  get_direction(from, *suite, record.write_, true);
  const auto refuse = [&](const char* what) {
    record.read_.secret = record.write_.secret = {};
    record.read_.iv = record.write_.iv = {};
    return wrong(what);
  };
  if (!from.ok) return refuse("is cut");
  if (record.read_.sequence > kLastSequence + 1 || record.write_.sequence > kLastSequence + 1) {
    return refuse("has a record number that no session reaches");
  }
  std::string_view sections[kLastKnown + 1];
  for (std::uint8_t last = 0; !from.rest.empty();) {
    if (from.rest.size() < kSectionHeader) return refuse("is cut in a section");
    const auto tag = static_cast<std::uint8_t>(from.number(1));
    const std::string_view bytes = from.take(from.number(4));
    if (!from.ok) return refuse("is cut in a section");
    if (tag <= last) return refuse("has a section twice, or in the wrong place");
    last = tag;
    if (tag >= kMayBePassedOver) continue;
    if (tag > kLastKnown || bytes.empty()) return refuse("has an unknown or an empty section");
    sections[tag] = bytes;
  }
  const std::string_view half = sections[kHalfMessage];
  if (!half.empty() && !is_half(half)) return refuse("has a half message that is none");
  if (sections[kAlpn].size() > 255 || sections[kServerName].size() > 255) {
    return refuse("has a name that is too long");
  }
  const std::size_t digest = sections[kPeerDigest].size();
  if (sections[kPeerCertificate].size() > kMaxCertificate ||
      sections[kPeerSubject].size() > kMaxSubject || (digest != 0 && digest != kDigestSize)) {
    return refuse("has a certificate that no session has");
  }
  Reader consumed{sections[kConsumed]};
  const auto skip = static_cast<std::size_t>(consumed.number(sections[kConsumed].size()));
  if (sections[kConsumed].size() % 2 != 0 || sections[kConsumed].size() > 2 ||
      skip > kMaxFragment || (skip == 0 && !sections[kConsumed].empty()) ||
      (skip > 0 && (!half.empty() || (flags & kReadClosed) != 0))) {
    return refuse("has consumed what it can't have opened");
  }
  Reader done{sections[kDone]}, again{sections[kAgain]};
  for (const Tag tag : {kDone, kAgain}) {
    Reader count{sections[tag]};
    const std::size_t size = sections[tag].size();
    if (size != 0 && (size != 8 || count.number(8) - 1 > UINT32_MAX)) {
      return refuse("has an input that no session has");
    }
  }

  Info told{std::string(sections[kAlpn]), std::string(sections[kServerName]),
            std::string(sections[kPeerCertificate]), std::string(sections[kPeerSubject]),
            std::string(sections[kPeerDigest])};
  record.half_.assign(half.begin(), half.end());
  info = std::move(told);
  record.skip_ = skip;
  record.unread_.restore_done(done.number(sections[kDone].size()));
  record.again_ = again.number(sections[kAgain].size());
  record.role_ = (flags & kIsClient) != 0 ? Role::kClient : Role::kServer;
  record.owes_update_ = (flags & kOwesUpdate) != 0;
  record.read_closed_ = (flags & kReadClosed) != 0;
  if (record.read_closed_) record.received_ = Alert::kCloseNotify;
  record.write_closed_ = (flags & kWriteClosed) != 0;
  record.failed_ = (flags & kFailed) != 0;
  record.limit_fragments(fragment);
  record.idle_ = idle;
  record.position_.restore(position);
  record.unchecked_ = true;
  record.suite_ = suite;
  return {};
}

}  // namespace handoff::tls
