// The users who may write to what the supervisor reads, runs or keeps, besides root and the
// supervisor's user: to the file itself, or to a folder above it, in which it can be replaced.
// Modes and owners are looked at; access control lists are not.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

namespace handoff::supervisor {

// Nobody else may write to it: neither its owner, if that is somebody else, nor by its mode.
bool is_ours_alone(const struct stat& info);

// One line for each file or folder on the way to path that others may write to: who, and what they
// can do. A folder with the sticky bit lets nobody replace what is not theirs. What does not exist
// yet is passed over.
std::vector<std::string> write_access(const std::string& path);

}  // namespace handoff::supervisor
