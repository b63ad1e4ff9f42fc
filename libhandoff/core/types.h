// What the two state machines have in common: time, reasons, and the shape of a step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace handoff::core {

// Microseconds of CLOCK_MONOTONIC; the core only compares and adds.
using Time = std::int64_t;
using Duration = std::int64_t;

// Why a handoff ended without a switch. The numbers are those of Code in handoff.proto.
enum class Code : std::uint8_t {
  kUnspecified = 0,
  kVersion = 1,
  kUnclaimed = 2,
  kIdentity = 3,
  kRejected = 4,
  kTimeout = 5,
  kProtocol = 6,
  kResources = 7,
  kPeerDied = 8,
  kCancelled = 9,
  kInternal = 10,
};

// The text of an heir's Abort (kCancelled) after a rehearsal that came to its end.
inline constexpr const char* kRehearsed = "this was a rehearsal";

// What an heir that gave up for this reason tells its service.
inline std::string given_up_for(const std::string& reason) {
  return reason == kRehearsed ? "the rehearsal is over" : "the handoff failed: " + reason;
}

struct Reason {
  Code code = Code::kUnspecified;
  std::string text = {};
  bool of_peer = false;  // what the other side said, in its Abort
  friend bool operator==(const Reason&, const Reason&) = default;
};

// Deadlines of one handoff, and how far it may go.
struct Limits {
  Duration stall = 10'000'000;  // silence of the peer before the freeze
  Duration budget = 250'000;    // the freeze budget (I4, docs/invariants.md)
  // The handoff ends after the first round: the heir restores what came, reports what it found and
  // gives up. Neither side freezes, fences or takes over, whatever happens to the other.
  bool rehearsal = false;
  // The donor has a vault, which has each of its sessions as of its death. So an heir that has not
  // all of them by Prepare keeps none: it gives up, and the vault is the next donor.
  bool donor_kept = false;
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace handoff::core
