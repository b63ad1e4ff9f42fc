// The history: an append-only file of JSON lines, which outlives the supervisor. Each record is one
// write and is flushed to the disk; a line that a crash has cut short is skipped by who reads. A
// file that has become too large is rotated (journal_rotation.h) before the next record.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/host/journal_read.h"
#include "supervisor/host/journal_rotation.h"

namespace handoff::supervisor {

// The folder: $HANDOFF_STATE_DIR, else the runtime folder where $HANDOFF_RUNTIME_DIR sets that,
// else $STATE_DIRECTORY (systemd), else /var/lib/handoff for root, else $XDG_STATE_HOME/handoff or
// ~/.local/state/handoff.
Result<std::string> state_path();
// Why a record can't be written there by this user, with what helps; "" if it can. Finds it out by
// trying, and changes nothing: what is missing is not created.
std::string journal_problem(const std::string& state);

class Journal {
 public:
  explicit Journal(std::string state, JournalLimits limits = {})
      : state_(std::move(state)), path_(journal_path(state_)), limits_(limits) {}
  void set_limits(const JournalLimits& limits) { limits_ = limits; }

  // Creates folder (0711) and file (0600) if need be. Done by append(), too, if it was not.
  Result<void> open();
  // An error of open() or append(): what lies there is not this user's to write (a link, another
  // user's). Nothing is written to it, and room on a disk does not help.
  static bool is_not_ours(const Error& error) { return error.code == -EPERM; }
  // Adds the time. An error says that the record is not there, and nothing of it is.
  Result<void> append(nlohmann::json record);
  // So many at once are flushed once. One result for each.
  std::vector<Result<void>> append_all(std::vector<nlohmann::json> records);
  // The newest of them, as far as they lie within the last so many bytes, rotated files included.
  static constexpr std::uint64_t kRecent = 4 * 1024 * 1024;
  Result<void> read_recent(const EachRecord& each) const;
  // Once, that the file was no longer at its path and another is written from then on, or that it
  // can't be rotated.
  std::string take_note() { return std::exchange(note_, {}); }
  // The folder that it is in.
  const std::string& state() const { return state_; }

 private:
  // Lets go of a file that is not at its path any more.
  void look();
  void rotate();
  Result<void> write(nlohmann::json record);
  Result<void> flush(off_t size_before);

  std::string state_;
  std::string path_;
  UniqueFd fd_;
  mode_t folder_mode_ = 0711;  // as it was found, for one that is made anew
  bool lost_ = false;
  JournalLimits limits_;
  std::string rotation_problem_;  // as it was told
  std::string note_;
};

}  // namespace handoff::supervisor
