// Folders of releases that handoff has made, told from all others by a marker in each: its inode,
// which a copy of the folder does not have, and its name, which it loses when an operator renames
// it to keep it. Only such folders are removed or replaced.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

// What a folder is called while it is being filled.
inline constexpr const char* kHiddenPrefix = ".unpacking-";
// The marker while it is being written.
inline constexpr const char* kNewMarker = ".handoff-release.new";

// By which somebody says that a folder is one of releases, whatever else lies in it.
inline constexpr const char* kReleasesMarker = ".handoff-releases";

// Creates the folder in which releases lie, if need be; refuses one that others could change. Waits
// for whoever else has it open. Hidden folders of somebody who died are removed.
Result<UniqueFd> open_releases(const std::string& path);

UniqueFd open_folder(const std::string& path);
// Marks it as handoff's, under that name. The marker is there whole, or as it was.
Result<void> mark_folder(int folder, const std::string& name);
// Whether handoff has made this folder under this name. One that was being filled may be marked for
// the name that it was to get.
bool is_marked_folder(int folder, const std::string& name);
// Removes a folder that handoff has made and nobody holds (flock). false: it is another's, held, or
// could not be removed. The marker goes last, so that what is left of it is still known as
// handoff's.
bool remove_own_folder(const std::string& path);
// Why releases are not unpacked into it: it holds other things, and nothing that handoff has made.
// "" if it may be used: it is empty or is not there yet; a release of handoff's lies in it; all in
// it looks like a release that was unpacked before there were markers; or somebody has said so, by
// a file .handoff-releases in it.
std::string foreign_problem(const std::string& path);

// Removes the folder with all that is in it. No link is followed on the way, also if one is put
// there meanwhile.
void remove_folder(const std::string& path);

// The names of the folders in path that handoff has made, the youngest first.
std::vector<std::string> own_folders_in(const std::string& path);
// Of those only the last count stay, those that somebody holds, and the named ones.
void prune_own_folders(const std::string& path, std::size_t count,
                       const std::set<std::string>& named);

}  // namespace handoff::supervisor
