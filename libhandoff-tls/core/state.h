// A session as bytes: what a donor saves and an heir restores. 78 to 134 bytes, and what few have;
// kMaxState bytes at most. Plaintext is no part of it: see core/unread.h.
//
//   version   1   kStateVersion
//   suite     2   IANA's number, which says the TLS version too
//   flags     1   StateFlag
//   fragment  1   max_fragment_length's code (RFC 6066, 4), 0 for none
//   idle      1   records in a row that have brought no data
//   position  8   what the kernel counts once all output is sent (core/position.h)
//   reading, writing: the number of the next record 8, and
//     TLS 1.3:  KeyUpdates so far 4, traffic secret 32 or 48
//     TLS 1.2:  key 16 or 32, IV 4 or 12; for writing with GCM the next record's explicit nonce 8
//   sections: tag 1, length 4, bytes; in ascending order, none twice, up to the end
//
// Reading is as before the first record whose plaintext waits, if any does. Numbers are big-endian.
// All that is read is checked, and nothing is taken of a state that is
// wrong. What changes the meaning of a state changes kStateVersion. A section that a reader may
// pass over has a tag from 128 on, so that a newer release can hand over to an older one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libhandoff-tls/core/record.h"
#include "libhandoff/base/result.h"

namespace handoff::tls {

constexpr std::uint8_t kStateVersion = 1;
constexpr std::size_t kMaxCertificate = 12 * 1024;  // DER. A peer with a larger one is refused
constexpr std::size_t kMaxSubject = 1024;
constexpr std::size_t kDigestSize = 32;
// The largest of all that has a limit: half a message, the certificate, its subject, two names, and
// 1 KiB for the rest.
constexpr std::size_t kMaxState =
    std::max(kMaxTicket, kMaxHello) + kMaxCertificate + kMaxSubject + 2 * 255 + 1024;

enum StateFlag : std::uint8_t {
  kIsClient = 1,
  kOwesUpdate = 2,
  kReadClosed = 4,
  kWriteClosed = 8,
  kFailed = 16,
};

// What a session's owner was told when the handshake was over.
struct Info {
  std::string alpn;              // the protocol that was agreed on, or none
  std::string server_name;       // SNI
  std::string peer_certificate;  // DER
  std::string peer_subject;      // of the certificate, as RFC 2253 writes it
  std::string peer_digest;       // SHA-256 of the certificate
  friend bool operator==(const Info&, const Info&) = default;
};

class RecordState {
 public:
  static std::size_t size(const Record& record, const Info& info);
  // Writes size() bytes: keys in plain view. The record must have begun, and be bound to a
  // position.
  static void write(const Record& record, const Info& info, std::uint8_t* out);
  // Fills a record that has not begun, which refuses everything until check() has said yes. A state
  // that is wrong is HANDOFF_ERR_VERSION or HANDOFF_ERR_PROTOCOL, does not change info, and leaves
  // a record that has not begun.
  static Result<void> read(std::string_view state, Record& record, Info& info);

 private:
  template <class To>
  static void put(To& to, const Record& record, const Info& info);
};

}  // namespace handoff::tls
