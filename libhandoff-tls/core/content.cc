// What a record brings: data, alerts (RFC 8446, 6), and the handshake messages that come after the
// handshake (RFC 8446, 4.6).
#include <utility>

#include "libhandoff-tls/core/record.h"

namespace handoff::tls {
namespace {

constexpr std::size_t kMessageHeader = 4;  // type, and a length of three bytes

enum Message : std::uint8_t {
  kHelloRequest = 0,
  kClientHello = 1,
  kNewSessionTicket = 4,
  kKeyUpdate = 24,
};

std::uint32_t number(std::string_view bytes) {
  std::uint32_t out = 0;
  for (const char byte : bytes) out = out << 8 | static_cast<std::uint8_t>(byte);
  return out;
}

// Takes a vector with a length of so many bytes off the front. False if it is cut.
bool take_vector(std::string_view& from, std::size_t length_size, std::string_view& out) {
  if (from.size() < length_size) return false;
  const std::size_t size = number(from.substr(0, length_size));
  from.remove_prefix(length_size);
  if (from.size() < size) return false;
  out = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

}  // namespace

// bytes lie behind the end of plain, which takes them if they are data.
Record::Opened Record::take(Type type, const std::uint8_t* bytes, std::size_t size, Buffer& plain,
                            Buffer& wire) {
  if (size > limit_) return fail(Alert::kRecordOverflow, wire);
  // No other type may come between the parts of a handshake message (RFC 8446, 5.1).
  if (!half_.empty() && type != Type::kHandshake) return fail(Alert::kUnexpectedMessage, wire);
  const std::string_view body(reinterpret_cast<const char*>(bytes), size);
  switch (type) {
    case Type::kData:
      if (size > 0) {
        plain.commit(size);
        idle_ = 0;
        return Opened::kRecord;
      }
      break;
    case Type::kAlert:
      return take_alert(body, wire);
    case Type::kHandshake:
      return take_handshake(body, wire);
    case Type::kChangeCipher:
    default:
      return fail(Alert::kUnexpectedMessage, wire);
  }
  // An endless row of empty records is work without an end.
  return ++idle_ > kMaxIdleRecords ? fail(Alert::kUnexpectedMessage, wire) : Opened::kRecord;
}

Record::Opened Record::take_alert(std::string_view body, Buffer& wire) {
  // An alert is whole, and one to a record (RFC 8446, 5.1; TLS 1.2's could be cut, and nobody
  // does).
  if (body.empty()) return fail(Alert::kUnexpectedMessage, wire);
  if (body.size() != 2) return fail(Alert::kDecodeError, wire);
  const bool warning = body[0] == 1;
  const Alert alert{static_cast<std::uint8_t>(body[1])};
  if (alert == Alert::kCloseNotify) {
    received_ = alert;
    read_closed_ = true;
    return Opened::kRecord;
  }
  // TLS 1.3 has no other warnings, whatever the level says (RFC 8446, 6).
  if (alert == Alert::kUserCanceled || (warning && !tls13())) {
    return ++idle_ > kMaxIdleRecords ? fail(Alert::kUnexpectedMessage, wire) : Opened::kRecord;
  }
  received_ = alert;
  failed_ = true;
  return Opened::kFailed;
}

Record::Opened Record::take_handshake(std::string_view body, Buffer& wire) {
  if (body.empty()) return fail(Alert::kUnexpectedMessage, wire);
  half_.insert(half_.end(), body.begin(), body.end());
  std::string_view rest(reinterpret_cast<const char*>(half_.data()), half_.size());
  while (rest.size() >= kMessageHeader) {
    const auto type = static_cast<std::uint8_t>(rest[0]);
    const std::size_t size = number(rest.substr(1, 3));
    if (const auto alert = refuse_header(type, size)) return fail(*alert, wire);
    if (rest.size() < kMessageHeader + size) break;
    const std::string_view message = rest.substr(kMessageHeader, size);
    rest.remove_prefix(kMessageHeader + size);
    if (const auto alert = take_message(type, message, rest.empty(), wire)) {
      return fail(*alert, wire);
    }
  }
  if (rest.empty()) {
    std::vector<std::uint8_t>().swap(half_);
  } else {
    half_.erase(half_.begin(), half_.end() - static_cast<std::ptrdiff_t>(rest.size()));
  }
  return Opened::kRecord;
}

// What may come after a handshake, and how long it may be: the alert to fail with, or nothing. A
// peer can't make a session wait for, and move, more than that.
std::optional<Alert> Record::refuse_header(std::uint8_t type, std::size_t size) const {
  const bool client = role_ == Role::kClient;
  if (!tls13()) {
    if (type != (client ? kHelloRequest : kClientHello)) return Alert::kUnexpectedMessage;
    if (size > (client ? 0 : kMaxHello)) return Alert::kIllegalParameter;
    return std::nullopt;
  }
  if (type == kKeyUpdate) return size == 1 ? std::nullopt : std::optional(Alert::kDecodeError);
  if (type != kNewSessionTicket || !client) return Alert::kUnexpectedMessage;
  return size <= kMaxTicket ? std::nullopt : std::optional(Alert::kIllegalParameter);
}

std::optional<Alert> Record::take_message(std::uint8_t type, std::string_view body, bool last,
                                          Buffer& wire) {
  if (!tls13()) {
    // Renegotiation is off: "a warning", and the peer decides (RFC 5246, 7.2.2).
    if (++idle_ > kMaxIdleRecords) return Alert::kUnexpectedMessage;
    if (can_seal() && again_ == 0) send_alert(1, Alert::kNoRenegotiation, wire);
    return std::nullopt;
  }
  if (type == kNewSessionTicket) {
    return take_ticket_message(body) ? std::nullopt : std::optional(Alert::kDecodeError);
  }
  // The new key begins with a new record (RFC 8446, 5.1).
  if (!last) return Alert::kUnexpectedMessage;
  if (body[0] != 0 && body[0] != 1) return Alert::kIllegalParameter;
  if (read_.generation == UINT32_MAX) return Alert::kUnexpectedMessage;
  next_secret(*suite_, read_);
  // One answer is enough for many requests, and is due before our next data (RFC 8446, 4.6.3).
  if (body[0] == 1 && !write_closed_ && again_ == 0) owes_update_ = true;
  return std::nullopt;
}

bool Record::take_ticket_message(std::string_view body) {
  Ticket ticket;
  std::string_view nonce, bytes, extensions;
  if (body.size() < 8) return false;
  ticket.lifetime_s = number(body.substr(0, 4));
  ticket.age_add = number(body.substr(4, 4));
  body.remove_prefix(8);
  if (!take_vector(body, 1, nonce) || !take_vector(body, 2, bytes) || bytes.empty() ||
      !take_vector(body, 2, extensions) || !body.empty()) {
    return false;
  }
  ticket.nonce.assign(nonce.begin(), nonce.end());
  ticket.ticket.assign(bytes.begin(), bytes.end());
  if (again_ == 0) ticket_ = std::move(ticket);
  return true;
}

std::optional<Ticket> Record::take_ticket() { return std::exchange(ticket_, std::nullopt); }

}  // namespace handoff::tls
