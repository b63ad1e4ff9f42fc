// What a supervisor leaves for the one that comes after it, should it die: which processes are its,
// of which release, in which handoff. A file in the runtime folder, replaced at every change, so
// that it is true whenever the supervisor dies. It says nothing about sessions: services tell.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/core/manifest.h"
#include "supervisor/base/file_mark.h"
#include "supervisor/core/events.h"
#include "supervisor/core/unclaimed.h"

namespace handoff::supervisor {

struct SavedFile {  // beside its program
  std::string path;
  std::string digest;
  bool behind = false;    // a process was seen to execute it
  std::string real = {};  // where path led to, if that is another
  FileMark mark = {};     // of the file that has that digest
};

struct SavedRelease {
  std::string path;
  std::vector<std::string> args;
  std::string digest;
  std::string name;
  std::string source;    // the bundle that it came in; else as path
  std::string folder;    // where the bundle was unpacked; "" for none
  std::string tree;      // the digest of that folder
  std::string verified;  // the id of the key that its signature was verified with; "" for none
  std::string signed_version = {};  // as Release::signed_version
  std::string program_digest;       // of the program's file alone
  std::vector<SavedFile> files;
  std::string real = {};                        // where path led to, if that is another
  FileMark mark = {};                           // of the file that has program_digest
  Claims claims = {};                           // as Release::claims
  std::optional<core::Manifest> manifest = {};  // as Release::manifest
};

// As files of this program have it; from_json throws what nlohmann::json throws.
nlohmann::json to_json(const SavedRelease& release);
SavedRelease release_from(const nlohmann::json& in);

// A socket that no process shows to the next supervisor, although one has it: of a listener that
// moves, the one from before, and the one that is about to end.
struct SavedListener {
  std::string name;
  std::string address;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  bool ends = false;
};

struct SavedKeeper {
  std::string address = {};                   // of its mailbox; "": there is none
  int pid = 0;                                // 0: the process has not said
  std::vector<SavedListener> listeners = {};  // of its process
  bool there() const { return !address.empty() && pid != 0; }
};

struct SavedProcess {
  Generation generation = 0;
  int pid = 0;
  std::uint64_t started = 0;  // in clock ticks since boot: with the pid, which process it is
  std::int64_t since = 0;     // seconds of the wall clock
  SavedRelease release;
  std::string mailbox = {};  // its address; "" if it has none
  bool leaving = false;      // it has handed over, has nothing left, and is to exit
  std::uint64_t seen = 0;    // it lived then, in clock ticks since boot; 0: nobody says
  std::string cgroup = {};   // of its generation alone; "" if it has none
  SavedKeeper vault = {};
  Generation reads = 0;  // it is the reader of that one's vault; 0: it is a release
};

// A process that has ended, and whose sessions are to go on from its vault.
struct SavedVault {
  Generation generation = 0;
  SavedKeeper keeper;
};

// A process that has ended, and may have left others (core/kin.h).
struct SavedLeft {
  Generation generation = 0;
  int pid = 0;
  std::uint64_t started = 0;
  std::uint64_t seen = 0;
  std::string cgroup = {};
};

struct SavedService {
  std::string name;
  Found machine;
  std::vector<std::string> command;  // of the configuration
  std::string program = {};          // where $PATH led to for it; "": nobody says
  SavedRelease release;              // what is started again after a crash
  std::optional<SavedRelease> back;  // to go back to
  std::vector<SavedProcess> processes;
  std::vector<SavedLeft> left = {};
  std::vector<SavedVault> vaults = {};
  std::vector<SavedListener> listeners = {};
  nlohmann::json last_upgrade = nullptr;
  std::vector<nlohmann::json> unrecorded = {};  // of what happened, what the history may lack
  std::string last_config = {};  // the text of the one that named it last; "" while one does
  bool cold = false;  // not of a state file: all of it had ended before its supervisor did
};

struct SavedState {
  // Of this file. A supervisor reads those up to its own; a newer one's it refuses.
  static constexpr int kFormat = 1;
  static constexpr int kOldestFormat = 1;  // that this program reads

  std::string boot;  // the host's boot id: pids of another boot mean nothing
  std::vector<SavedService> services;
};

nlohmann::json to_json(const SavedState& state);
// In two steps: each service by itself, and all of them together.
std::string state_text_of(const SavedService& service);
std::string whole_state_text(const std::string& boot,
                             const std::vector<std::string_view>& services);
// file is the name for messages.
Result<SavedState> parse_state(const std::string& text, const std::string& file);

}  // namespace handoff::supervisor
