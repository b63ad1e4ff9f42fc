// A release: a program and its arguments, and the files that are part of it. What is digested here
// is what runs later, and what runs again after a crash, whatever has happened to the paths since:
// by its own file as long as this is that file, else by the copy that was kept (kept_releases.h).
// With it, if it came in a bundle, the folder that the bundle was unpacked into.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/manifest.h"
#include "supervisor/base/file_mark.h"
#include "supervisor/core/unclaimed.h"
#include "supervisor/releases/releases_dir.h"

namespace handoff::supervisor {

// What somebody has read a file for, and its mark then; of a file with that mark it is believed.
struct KnownFile {
  FileMark mark;
  std::string digest;
};

// A file of a release beside its program.
struct ReleaseFile {
  std::string path;  // absolute
  std::string digest;
  FileMark mark;        // when it was digested
  bool behind = false;  // a process of the release was seen to execute it (executed.h)
  // Where path led to when it was digested, if that is another path. A link such as `current` may
  // lead elsewhere by now.
  std::string real = {};
};

// Where an open file lies, if that is not path, which it was opened by; else "".
std::string real_path_of(int file, const std::string& path);
// Where the copy of a file lies below the root of a kept release: at its own path. root "": the
// file itself.
std::string place_below(const std::string& root, const std::string& path);

struct Release {
  std::string path;  // also argv[0], unless it is a copy that runs
  std::vector<std::string> args;
  UniqueFd file;               // for execveat(2)
  FileMark file_mark;          // when it was digested
  bool script = false;         // begins with #!: its interpreter opens it again
  std::string digest;          // SHA-256, hex, of all its files; of the bundle, if it came in one
  std::string program_digest;  // of the program's file alone
  std::vector<ReleaseFile> files;  // of a bundle those outside its folder, the program included
  std::string real;                // as ReleaseFile::real
  bool moved = false;              // its paths lead elsewhere by now: its files are the real ones
  std::string file_path;           // where file is from: path, real, or the copy that was kept
  std::string kept_root;  // files are the copies below this folder; "" where they are their own
  std::string name;       // from its manifest, once it has registered; "" before
  Claims claims;          // likewise
  // Likewise: what it reads and writes, its names without addresses. None: a supervisor before this
  // one did not keep it.
  std::optional<core::Manifest> manifest;
  std::string source;    // the bundle, else path
  FileMark source_mark;  // of source, when it was opened
  std::string verified;  // the id of the key that its signature was verified with; "" for none
  std::string signed_version;  // that the signature names; "" if it names none, or there is none
  ReleaseFolderPtr folder;     // null: it came in no bundle, or is not open
  std::string unpacked;        // of a bundle that is not open, its folder; else ""
  std::string tree;            // the digest of that folder

  // Nobody has touched its files since they were digested.
  bool untouched() const;
  // What a process of it executes is known, and is not the program that was opened.
  bool has_behind() const;
  // The open file is the one at that path.
  bool lies_at(const std::string& where) const;
  // Where a file lies itself, and where that one lies which is to run: its copy, if there is one.
  std::string own_place_of(const ReleaseFile& one) const;
  std::string place_of(const ReleaseFile& one) const;
  // Where its copies are, if those run in place of its own files; else "".
  std::string kept_from() const;
  bool in_bundle() const { return source != path; }
  // A bundle's folder is its copy.
  bool needs_copy() const { return !in_bundle() || !files.empty(); }
  bool same_as(const Release& other) const {
    return path == other.path && args == other.args && digest == other.digest;
  }
};
using ReleasePtr = std::shared_ptr<Release>;

// With an fd of its own.
ReleasePtr copy_of(const Release& release);
// known is open from now on, by what opened has, and stays the release that it is.
void take_open(Release& known, Release opened);

// Opens an executable file, as what runs is opened; an error says why it is none.
Result<UniqueFd> open_executable(const std::string& path);
// Begins with #!.
bool is_script(int file);
// The file that is open; digests it unless it is known, which takes as long as reading it takes.
Result<ReleasePtr> release_of(UniqueFd file, const std::string& path, std::vector<std::string> args,
                              const KnownFile& known = {});
Result<ReleasePtr> open_release(const std::string& path, std::vector<std::string> args,
                                const KnownFile& known = {});
// Of an open file with that mark.
Result<std::string> digest_unless_known(int file, const FileMark& mark, const std::string& path,
                                        const KnownFile& known);

// The absolute path of a program: as it is if it has a slash, else searched in $PATH as a shell
// does.
Result<std::string> find_program(const std::string& program);

}  // namespace handoff::supervisor
