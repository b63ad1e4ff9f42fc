// What a process of a release executes. A wrapper (a script, a launcher) that execs another program
// has the same bytes when that program is replaced, so the program behind it is a file of the
// release. Only a process tells which file that is: by /proc/PID/exe.
//
// Nothing is found where that can't be read: no /proc, a process of another user.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "supervisor/releases/release.h"
#include "supervisor/releases/release_files.h"

namespace handoff::supervisor {

struct Executed {
  std::string path;                 // of a file that is none of the release's; "" for none
  std::optional<ReleaseFile> file;  // the same, if it lies where the release's other runs find it
};

// Nothing is to be found out: the process executes a file of the release, by device and inode, or
// can't be looked at. Reads no file.
bool executes_its_own(pid_t pid, const Release& release);
// Takes as long as reading the file takes. What the configuration leaves out is not told.
Executed executed_by(pid_t pid, const Release& release, const FileRules& rules);

// A release of the same files but for the programs behind it: file in place of them, if there is
// one.
ReleasePtr release_behind(const Release& release, const std::string& name,
                          const std::optional<ReleaseFile>& file);

}  // namespace handoff::supervisor
