#include "libhandoff/protocol/frame.h"

#include "handoff/handoff.h"

namespace handoff::protocol {
namespace {

struct TypeName {
  Type type;
  const char* name;
};
constexpr TypeName kNames[] = {
    {Type::kHello, "Hello"},
    {Type::kAbort, "Abort"},
    {Type::kListeners, "Listeners"},
    {Type::kSessions, "Sessions"},
    {Type::kRing, "Ring"},
    {Type::kSectionChunk, "SectionChunk"},
    {Type::kCopyEnd, "CopyEnd"},
    {Type::kPrepare, "Prepare"},
    {Type::kRelease, "Release"},
    {Type::kRegion, "Region"},
    {Type::kLanes, "Lanes"},
    {Type::kLanePrepare, "LanePrepare"},
    {Type::kAck, "Ack"},
    {Type::kCopied, "Copied"},
    {Type::kPrepared, "Prepared"},
    {Type::kResumed, "Resumed"},
    {Type::kStart, "Start"},
    {Type::kDonate, "Donate"},
    {Type::kStop, "Stop"},
    {Type::kQuery, "Query"},
    {Type::kCancel, "Cancel"},
    {Type::kRegister, "Register"},
    {Type::kOwner, "Owner"},
    {Type::kProgress, "Progress"},
    {Type::kFailed, "Failed"},
    {Type::kRetired, "Retired"},
    {Type::kStatus, "Status"},
    {Type::kLinkHello, "LinkHello"},
    {Type::kGroupSessions, "GroupSessions"},
    {Type::kGroupPrepare, "GroupPrepare"},
    {Type::kGroupRelease, "GroupRelease"},
    {Type::kGroupPrepared, "GroupPrepared"},
    {Type::kGroupResumed, "GroupResumed"},
    {Type::kGroupAbort, "GroupAbort"},
    {Type::kDrain, "Drain"},
    {Type::kSpread, "Spread"},
    {Type::kRelink, "Relink"},
    {Type::kLate, "Late"},
    {Type::kHealth, "Health"},
    {Type::kRehearsed, "Rehearsed"},
};

const char* find_name(Type type) {
  for (const auto& entry : kNames) {
    if (entry.type == type) return entry.name;
  }
  return nullptr;
}

Failure malformed(std::string what) {
  return fail(HANDOFF_ERR_PROTOCOL, "malformed frame: " + std::move(what));
}

}  // namespace

std::string type_name(Type type) {
  const char* name = find_name(type);
  return name != nullptr ? name : "type " + std::to_string(static_cast<int>(type));
}

std::array<unsigned char, kHeaderSize> encode_header(const Header& header) {
  std::array<unsigned char, kHeaderSize> out{};
  const auto byte = [](std::uint64_t value, int index) {
    return static_cast<unsigned char>(value >> (8 * index));
  };
  out[0] = byte(kMagic, 0);
  out[1] = byte(kMagic, 1);
  out[2] = static_cast<unsigned char>(header.type);
  out[3] = header.lane;
  for (int i = 0; i < 4; ++i) {
    out[4 + static_cast<std::size_t>(i)] = byte(header.fds, i);
    out[8 + static_cast<std::size_t>(i)] = byte(header.body, i);
  }
  return out;
}

Result<Header> decode_header(std::string_view message, std::size_t fds_received) {
  if (message.size() < kHeaderSize) {
    return malformed(std::to_string(message.size()) + " bytes, less than a header");
  }
  const auto at = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(message[i]);
  };
  const auto word = [&](std::size_t i) {
    return at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24;
  };
  if ((at(0) | at(1) << 8) != kMagic) return malformed("no 'HF' at the start");
  Header header;
  header.type = static_cast<Type>(at(2));
  header.lane = static_cast<std::uint8_t>(at(3));
  header.fds = word(4);
  header.body = word(8);
  if (header.body != message.size() - kHeaderSize) {
    return malformed(type_name(header.type) + " announces " + std::to_string(header.body) +
                     " bytes and has " + std::to_string(message.size() - kHeaderSize));
  }
  if (header.fds > kMaxFds || header.fds != fds_received) {
    return malformed(type_name(header.type) + " announces " + std::to_string(header.fds) +
                     " fds and has " + std::to_string(fds_received));
  }
  return header;
}

}  // namespace handoff::protocol
