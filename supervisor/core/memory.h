// Whether another process of a service has room in memory beside the one that runs: arithmetic on
// what was read of the host and of the control groups above (host/memory_levels).
//
// Nobody knows before what a new process takes. What the old one has for itself is a guess, since
// the copy is of its state. So an upgrade that may not fit is only warned of: the new process is
// the first to be ended, and the old one goes on. Where not even the smallest one fits, nothing is
// begun: in a group that is full, the next one that asks for memory is ended, whoever that is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace handoff::supervisor {

// One limit that a process is under, in bytes.
struct MemoryLevel {
  std::string of;           // "the host", or "control group /chat"
  std::uint64_t most = 0;   // so much may be used
  std::uint64_t used = 0;   // of it
  std::uint64_t cache = 0;  // of that: files that nobody has used lately; given back first
  std::uint64_t more = 0;   // of that: what is given back as well before anybody is ended
  std::uint64_t swap = 0;   // what can be written to a swap space
};

// Without holding anybody up.
std::uint64_t free_of(const MemoryLevel& level);
// With all that can be given back, or written to a swap space.
std::uint64_t at_best(const MemoryLevel& level);

// The level that leaves least; nullptr if there is none.
const MemoryLevel* tightest(const std::vector<MemoryLevel>& levels);

// What an heir of the smallest service takes before it says Hello (libhandoff/handoff/greeting).
inline constexpr std::uint64_t kHandoffNeeds = std::uint64_t{4} << 20;

struct Weighing {
  enum class Verdict {
    kFits,
    kTight,  // if the new process takes as much as the old one has
    kNever,
  };
  Verdict verdict = Verdict::kFits;
  std::string text;  // with the figures; "" if it fits
};

// own: what the old process has for itself alone; 0 if that is not known. together: the group whose
// processes the kernel ends together, whichever of them it chooses (memory.oom.group); "" for none.
Weighing weigh_handoff(const std::vector<MemoryLevel>& levels, std::uint64_t own,
                       const std::string& together);
// What that means to a supervisor in that group, and what helps.
std::string together_fault(const std::string& together);

// What the refusal of a handoff that has no room adds: what helps.
inline constexpr const char* kRoomAdvice =
    ". Give it more (MemoryMax=), or have it tried all the same: --ignore-memory";

// For a person: "48.2 MB".
std::string format_bytes(std::uint64_t bytes);

}  // namespace handoff::supervisor
