// Reading the history: its file and those that were rotated, the oldest record first. A line that
// is no record is passed over and counted, whatever somebody or a crash has written there. Memory
// is bounded: a line that is too long for a record is not kept.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

using EachRecord = std::function<void(const nlohmann::json&)>;

// Longer than any that a supervisor writes.
inline constexpr std::size_t kLongestRecord = 1024 * 1024;

struct JournalRead {
  std::uint64_t skipped = 0;          // lines that are no records
  std::vector<std::string> files;     // that were read, the oldest first
  std::vector<std::string> problems;  // of others: nothing is waited for
};

// Whether a record with this event tells how what was asked for before it ended. A stop and a crash
// happen beside it.
inline bool ends_request(const nlohmann::json& event) {
  return event != "stop" && event != "crash" && event != "requested";
}

// Of one file. No file: no records. last: only what lies within so many bytes from the end.
Result<JournalRead> read_journal(const std::string& path, const EachRecord& each,
                                 std::optional<std::uint64_t> last = std::nullopt);
// Of all of them in the folder. A rotation meanwhile hides none and shows none twice.
JournalRead read_history(const std::string& state, const EachRecord& each);

}  // namespace handoff::supervisor
