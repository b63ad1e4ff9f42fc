// A frame: one SEQPACKET message, a 12-byte header and a protobuf body, with the fds that belong
// to it. This file knows the header alone; messages.h knows the bodies, protocol/channel the
// socket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::protocol {

// One number for each message of handoff.proto, grouped by sender and receiver.
enum class Type : std::uint8_t {
  // both ways between donor and heir
  kHello = 1,
  kAbort = 2,
  // donor to heir
  kListeners = 16,
  kSessions = 17,
  kRing = 18,
  kSectionChunk = 19,
  kCopyEnd = 20,
  kPrepare = 21,
  kRelease = 22,
  kRegion = 23,
  kLanes = 24,
  kLanePrepare = 25,
  // heir to donor
  kAck = 32,
  kCopied = 33,
  kPrepared = 34,
  kResumed = 35,
  // both ways over a link
  kLinkHello = 48,
  kGroupSessions = 49,
  kGroupPrepare = 50,
  kGroupRelease = 51,
  kGroupPrepared = 52,
  kGroupResumed = 53,
  kGroupAbort = 54,
  // supervisor to service
  kStart = 64,
  kDonate = 65,
  kStop = 66,
  kQuery = 67,
  kCancel = 68,
  kDrain = 69,
  kRelink = 70,
  kSpread = 71,
  // service to supervisor
  kRegister = 96,
  kOwner = 97,
  kProgress = 98,
  kFailed = 99,
  kRetired = 100,
  kStatus = 101,
  kHealth = 102,
  kLate = 103,
  kRehearsed = 110,
};

// "Sessions"; "type 77" for a number that has no name.
std::string type_name(Type type);

struct Header {
  Type type{};
  std::uint8_t lane = 0;
  std::uint32_t fds = 0;
  std::uint32_t body = 0;
};

std::array<unsigned char, kHeaderSize> encode_header(const Header& header);

// Checks all that a header shows: magic, limits, that the body is as long as announced, and that as
// many fds came as announced. Unknown types pass: the caller answers them.
Result<Header> decode_header(std::string_view message, std::size_t fds_received);

}  // namespace handoff::protocol
