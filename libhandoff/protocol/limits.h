// The constants of the protocol. PROTOCOL.md ("Framing" and "Limits") says what each is for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace handoff::protocol {

// Wire versions that this build speaks.
inline constexpr std::uint32_t kVersionMin = 1;
inline constexpr std::uint32_t kVersionMax = 1;

// A frame's header: magic, type, lane, number of fds, length of the body; little-endian.
inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::uint16_t kMagic = 0x4648;  // 'H' 'F'

// The kernel's default SO_SNDBUF allows 212,960 bytes for a SEQPACKET message.
inline constexpr std::size_t kMaxFrame = 200 * 1024;
inline constexpr std::size_t kMaxBody = kMaxFrame - kHeaderSize;
// A session of more bytes than this (state, input and output together) goes into a memfd.
inline constexpr std::size_t kMaxInline = 32 * 1024;
// Bytes of a layer that travel with a session; they lie in the frame.
inline constexpr std::size_t kMaxLayer = 32 * 1024;
// A Sessions frame gets no further record once its body is this long. The rest is room for the
// largest record: kMaxInline bytes, a layer's, and 4,096 for its fields and the names of its fds.
inline constexpr std::size_t kBatchBody = kMaxBody - kMaxInline - kMaxLayer - 4096;

// SCM_MAX_FD of Linux: sendmsg(2) refuses more in one message with EINVAL (unix(7)).
inline constexpr std::size_t kMaxFds = 253;
// At most so many frames of the donor are unacknowledged, which bounds fds in flight to 8 * 253.
inline constexpr std::uint64_t kWindow = 8;

// Section chunks and large Sessions travel in this many slots, one for each frame of the window.
inline constexpr std::uint32_t kRingSlots = kWindow;
inline constexpr std::uint32_t kRingSlotSize = 1024 * 1024;
// The slots of a service without sections are smaller, so that the ring stays in the caches.
inline constexpr std::uint32_t kSmallSlotSize = 256 * 1024;
// As kBatchBody, for Sessions in a slot, where no layer lies. Sessions shorter than kMinInRing are
// sent inline, since the kernel's copy then costs less than the ring's pages.
inline constexpr std::size_t kBatchInRing = kSmallSlotSize - kMaxInline - 4096;
inline constexpr std::size_t kMinInRing = 64 * 1024;

// Names that begin so are the library's own: the ends of links.
inline constexpr std::string_view kInternalName = "handoff.";
// At most so many sessions are in a group that moves over a link.
inline constexpr std::size_t kMaxGroup = 32;

inline constexpr std::size_t kMaxName = 64;
inline constexpr std::size_t kMaxReason = 1024;
inline constexpr std::size_t kMaxPath = 4096;
inline constexpr std::size_t kMaxPeer = 256;       // the address of a session's client
inline constexpr std::size_t kMaxSessionFds = 32;  // of a session, beside its socket
inline constexpr std::size_t kMaxKinds = 256;
inline constexpr std::size_t kMaxNamed = 1024;
inline constexpr std::size_t kMaxLeftOut = kMaxKinds + kMaxNamed;
inline constexpr std::size_t kMaxFindings = 64;  // that one side of a rehearsal reports
// Processes of sessions in a Status: as many as fit beside the rest, each of 16 bytes at most.
inline constexpr std::size_t kMaxProcesses = 8192;
inline constexpr std::size_t kMaxLostIds = 100;  // that a message names
// Sessions that a Copied or a Prepared says to be refused: as many as fit beside the reasons of the
// first kMaxUnmovable, each of at most kMaxRefusal bytes.
inline constexpr std::size_t kMaxRefused = 8192;
inline constexpr std::size_t kMaxRefusal = 512;
inline constexpr std::size_t kMaxUnmovable =
    100;  // sessions that were not moved, with their reasons
inline constexpr std::uint64_t kMaxSessionBytes = std::uint64_t{4} << 30;

}  // namespace handoff::protocol
