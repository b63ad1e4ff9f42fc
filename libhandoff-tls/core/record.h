// The record layer of a TLS session whose handshake is over: bytes in, bytes out.
//
// To be read beside RFC 8446 5.1 and 5.4 (records), 5.5 (limits), 6 (alerts), 4.6.1
// (tickets), 4.6.3 (KeyUpdate), and for TLS 1.2 RFC 5246 6.2 and 7.2. core/protection.h has the
// nonces and keys, and core/content.cc what a record brings. No I/O and no clock.
//
// All keys lie in the object itself, so that whoever makes it decides in which memory
// (sys/arena.h). All zeros is a valid object: one that refuses everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "libhandoff-tls/base/buffer.h"
#include "libhandoff-tls/core/gate.h"
#include "libhandoff-tls/core/position.h"
#include "libhandoff-tls/core/protection.h"
#include "libhandoff-tls/core/unread.h"
#include "libhandoff-tls/crypto/derive.h"

namespace handoff::tls {

enum class Role : std::uint8_t { kServer, kClient };

enum class Alert : std::uint8_t {  // RFC 8446, 6
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kProtocolVersion = 70,
  kInternalError = 80,
  kUserCanceled = 90,
  kNoRenegotiation = 100,
};

constexpr std::size_t kMaxFragment = 16384;              // 2^14
constexpr std::size_t kMaxTicket = 16384;                // half of one may have to move
constexpr std::size_t kMaxHello = 4096;                  // as much, and it is declined anyway
constexpr std::uint64_t kRecordsPerKey = 1ULL << 24;     // RFC 8446, 5.5: 2^24.5 with AES-GCM
constexpr std::uint64_t kLastSequence = UINT64_MAX - 1;  // RFC 8446, 5.3: numbers must not wrap
constexpr unsigned kMaxIdleRecords = 32;                 // records in a row that bring no data

// What a peer's NewSessionTicket says (RFC 8446, 4.6.1).
struct Ticket {
  std::uint32_t lifetime_s = 0;
  std::uint32_t age_add = 0;
  std::vector<std::uint8_t> nonce;
  std::vector<std::uint8_t> ticket;
};

class Record {
 public:
  enum class Opened {
    kMore,     // the record is not whole: nothing was consumed
    kRecord,   // one record was consumed
    kEnded,    // close_notify has come before: what follows is to be thrown away
    kFailed,   // the session is over; an alert for the peer may be in the output
    kRefused,  // this process may not, see may_act(): nothing was done
  };

  // A session whose gate is NULL refuses everything. The gate must outlive it.
  explicit Record(const GateWord* gate = nullptr) : gate_(gate) {}

  // A handshake has ended. TLS 1.3: so many records were written by the traffic secret, none read.
  void begin(Role role, const Suite& suite, const std::uint8_t* read_secret,
             const std::uint8_t* write_secret, std::uint64_t written);
  // TLS 1.2: our Finished was number 0, and explicit_nonce comes next. Of the peer's so many
  // records were read, more than one where it has cut its Finished.
  void begin(Role role, const Suite& suite, const KeyBlock& keys, std::uint64_t explicit_nonce,
             std::uint64_t read = 1);
  // max_fragment_length as RFC 6066, 4 numbers it: 1 to 4 stand for 512 to 4096 bytes, 0 for none.
  void limit_fragments(std::uint8_t code) { limit_ = code == 0 ? kMaxFragment : 256U << code; }

  // Opens the record at the front of input, behind those that are unread(), and says in `consumed`
  // how long it was. Appends what it brings to plain. Alerts go to wire.
  Opened open(std::string_view input, std::size_t& consumed, Buffer& plain, Buffer& wire);
  // So much of what was opened is done with.
  void consume(std::size_t plain) {
    if (suite_ != nullptr) unread_.consume(*suite_, plain);
  }
  // The input before what open() gets next: it is kept until Unread::take_done() gives it up.
  Unread& unread() { return unread_; }
  const Unread& unread() const { return unread_; }
  // Seals all of it, in as many records as it takes. False, without having done anything, if this
  // process may not, or if the session has ended on this side.
  bool seal(std::string_view plain, Buffer& wire);
  // Announces and uses a new key of our own; `ask` requests one of the peer's. False as seal(), and
  // for TLS 1.2.
  bool update_key(bool ask, Buffer& wire);
  // close_notify; nothing can be sealed after it. False as seal().
  bool close(Buffer& wire);
  // The session is over without a word to the peer: OpenSSL has failed in the middle of something.
  void abandon() { failed_ = true; }

  // The object belongs to a process that owns its sessions, is not on its way to another one, and
  // was compared with its socket if it has come from another.
  bool may_act() const { return is_ours() && suite_ != nullptr && !unchecked_; }
  // The first two of these, which a handshake needs as well.
  bool is_ours() const { return gate_ != nullptr && gate_->open() && !frozen_; }
  bool is_checked() const { return !unchecked_; }
  // Of this session alone: it is on its way to another process (late sessions).
  void freeze() { frozen_ = true; }
  void thaw() { frozen_ = false; }
  // Position::agrees(), whose yes makes a restored session able to act. Where this side has ended,
  // a FIN may be counted, too.
  bool check(std::uint64_t written, std::uint64_t unsent);
  Position& position() { return position_; }
  const Position& position() const { return position_; }

  bool begun() const { return suite_ != nullptr; }
  const Suite* suite() const { return suite_; }
  Role role() const { return role_; }
  bool read_closed() const { return read_closed_; }
  bool write_closed() const { return write_closed_; }
  bool failed() const { return failed_; }
  bool owes_update() const { return owes_update_; }
  std::optional<Alert> alert_received() const { return received_; }
  std::optional<Alert> alert_sent() const { return sent_; }
  const Direction& reading() const { return read_; }
  const Direction& writing() const { return write_; }
  // The newest ticket since the last call, or none. Client role of TLS 1.3 only.
  std::optional<Ticket> take_ticket();

 private:
  friend class RecordState;  // core/state.cc: what moves

  bool tls13() const { return suite_->version == Version::kTls13; }
  bool can_seal() const;
  void seal_one(Type type, std::string_view plain, Buffer& wire);
  void send_alert(int level, Alert alert, Buffer& wire);
  Opened fail(Alert alert, Buffer& wire);
  Opened open_whole(std::string_view record, Type type, Buffer& plain, Buffer& wire);
  bool skip(std::size_t brought, Buffer& plain);
  Opened take(Type type, const std::uint8_t* bytes, std::size_t size, Buffer& plain, Buffer& wire);
  Opened take_alert(std::string_view body, Buffer& wire);
  Opened take_handshake(std::string_view body, Buffer& wire);
  std::optional<Alert> refuse_header(std::uint8_t type, std::size_t size) const;
  std::optional<Alert> take_message(std::uint8_t type, std::string_view body, bool last,
                                    Buffer& wire);
  bool take_ticket_message(std::string_view body);

  const GateWord* gate_;
  const Suite* suite_ = nullptr;
  Role role_ = Role::kServer;
  bool frozen_ = false;
  bool unchecked_ = false;
  bool owes_update_ = false;  // the peer has asked for a KeyUpdate, due before our next data
  bool read_closed_ = false;
  bool write_closed_ = false;
  bool failed_ = false;
  std::optional<Alert> received_;  // the one that ended the session
  std::optional<Alert> sent_;
  unsigned idle_ = 0;
  std::size_t limit_ = kMaxFragment;
  Direction read_;
  Direction write_;
  Unread unread_;
  std::size_t skip_ = 0;   // of the first record's plaintext, which a process before has consumed
  std::size_t again_ = 0;  // so many records a process before has opened: what they ask was heard
  Position position_;
  std::vector<std::uint8_t> half_;  // the beginning of a handshake message
  std::optional<Ticket> ticket_;
};

}  // namespace handoff::tls
