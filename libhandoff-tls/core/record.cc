#include "libhandoff-tls/core/record.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace handoff::tls {

void Record::begin(Role role, const Suite& suite, const std::uint8_t* read_secret,
                   const std::uint8_t* write_secret, std::uint64_t written) {
  role_ = role;
  std::memcpy(read_.secret.data(), read_secret, suite.hash_size);
  std::memcpy(write_.secret.data(), write_secret, suite.hash_size);
  write_.sequence = written;
  suite_ = &suite;
}

void Record::begin(Role role, const Suite& suite, const KeyBlock& keys,
                   std::uint64_t explicit_nonce, std::uint64_t read) {
  role_ = role;
  const auto use = [&](Direction& d, const Secret<kMaxKey>& key, const Secret<kNonceSize>& iv) {
    std::memcpy(d.secret.data(), key.data(), suite.key_size);
    std::memcpy(d.iv.data(), iv.data(), suite.iv_size());
  };
  use(role == Role::kServer ? read_ : write_, keys.client_key, keys.client_iv);
  use(role == Role::kServer ? write_ : read_, keys.server_key, keys.server_iv);
  read_.sequence = read;
  write_.sequence = 1;
  write_.explicit_nonce = explicit_nonce;
  suite_ = &suite;
}

void Record::seal_one(Type type, std::string_view plain, Buffer& wire) {
  const std::size_t size = kHeaderSize + plain.size() + expansion(*suite_);
  protect(*suite_, write_, type, plain, wire.room(size));
  wire.commit(size);
  position_.advance(size);
}

// The last number is close_notify's, or a fatal alert's.
bool Record::can_seal() const {
  return may_act() && !write_closed_ && !failed_ && write_.sequence < kLastSequence;
}

bool Record::seal(std::string_view plain, Buffer& wire) {
  if (!may_act() || write_closed_ || failed_) return false;
  // Room for all records at once: a buffer that grows with each of them copies what it has.
  const std::size_t records = (plain.size() + limit_ - 1) / limit_;
  (void)wire.room(plain.size() + records * (kHeaderSize + expansion(*suite_)));
  for (; !plain.empty(); plain.remove_prefix(std::min(plain.size(), limit_))) {
    if (tls13() && (owes_update_ || write_.sequence >= kRecordsPerKey)) update_key(false, wire);
    if (!can_seal()) {
      abandon();
      return false;
    }
    seal_one(Type::kData, plain.substr(0, limit_), wire);
  }
  return true;
}

bool Record::update_key(bool ask, Buffer& wire) {
  if (!can_seal() || !tls13() || write_.generation == UINT32_MAX) return false;
  const char message[] = {24, 0, 0, 1, static_cast<char>(ask ? 1 : 0)};  // RFC 8446, 4.6.3
  seal_one(Type::kHandshake, {message, sizeof message}, wire);
  next_secret(*suite_, write_);
  owes_update_ = false;
  return true;
}

bool Record::close(Buffer& wire) {
  if (!may_act() || write_closed_ || failed_ || write_.sequence > kLastSequence) return false;
  write_closed_ = true;
  send_alert(1, Alert::kCloseNotify, wire);
  return true;
}

void Record::send_alert(int level, Alert alert, Buffer& wire) {
  const char body[] = {static_cast<char>(level), static_cast<char>(alert)};
  seal_one(Type::kAlert, {body, sizeof body}, wire);
}

Record::Opened Record::fail(Alert alert, Buffer& wire) {
  failed_ = true;
  sent_ = alert;
  if (!write_closed_ && write_.sequence <= kLastSequence) send_alert(2, alert, wire);
  return Opened::kFailed;
}

Record::Opened Record::open(std::string_view input, std::size_t& consumed, Buffer& plain,
                            Buffer& wire) {
  consumed = 0;
  if (!may_act()) return Opened::kRefused;
  if (failed_) return Opened::kFailed;
  if (read_closed_) return Opened::kEnded;
  if (input.size() < kHeaderSize) return Opened::kMore;
  const auto* const header = reinterpret_cast<const std::uint8_t*>(input.data());
  const std::size_t size = static_cast<std::size_t>(header[3]) << 8 | header[4];
  Type type{header[0]};
  // TLS 1.3 hides the type. Its version bytes mean nothing (RFC 8446, 5.1).
  if (tls13() && type != Type::kData) return fail(Alert::kUnexpectedMessage, wire);
  if (!tls13() && (header[1] != 3 || header[2] != 3)) return fail(Alert::kProtocolVersion, wire);
  if (size > kMaxFragment + (tls13() ? 256 : 2048)) return fail(Alert::kRecordOverflow, wire);
  if (input.size() < kHeaderSize + size) return Opened::kMore;
  consumed = kHeaderSize + size;

  unread_.before(read_);
  const std::size_t before = plain.size();
  const std::uint32_t generation = read_.generation;
  const Opened opened = open_whole(input.substr(0, consumed), type, plain, wire);
  if (opened != Opened::kRecord) return opened;
  if (again_ > 0) --again_;
  const std::size_t brought = plain.size() - before;
  unread_.add(*suite_, consumed, brought, read_.generation != generation);
  return skip_ == 0 || skip(brought, plain) ? opened : fail(Alert::kInternalError, wire);
}

// The state of a process before has the first record's plaintext as begun, so it has more.
bool Record::skip(std::size_t brought, Buffer& plain) {
  const std::size_t begun = std::exchange(skip_, 0);
  if (brought <= begun) return false;
  plain.consume(begun);
  unread_.consume(*suite_, begun);
  return true;
}

Record::Opened Record::open_whole(std::string_view record, Type type, Buffer& plain, Buffer& wire) {
  std::uint8_t* const bytes = plain.room(record.size() - kHeaderSize);
  std::size_t opened = 0;
  if (read_.sequence > kLastSequence || !unprotect(*suite_, read_, record, bytes, opened)) {
    return fail(Alert::kBadRecordMac, wire);
  }
  // TLSInnerPlaintext has a limit of its own, padding included (RFC 8446, 5.4).
  if (opened > kMaxFragment + (tls13() ? 1 : 0)) return fail(Alert::kRecordOverflow, wire);
  if (tls13() && !take_inner_type(bytes, opened, type)) {
    return fail(Alert::kUnexpectedMessage, wire);
  }
  return take(type, bytes, opened, plain, wire);
}

// Behind close_notify nothing is sealed, so that a FIN may have been sent, which the kernel counts.
bool Record::check(std::uint64_t written, std::uint64_t unsent) {
  const bool has_ended = write_closed_ && position_.agrees(written - 1, unsent);
  if (!has_ended && !position_.agrees(written, unsent)) return false;
  unchecked_ = false;
  return true;
}

}  // namespace handoff::tls
