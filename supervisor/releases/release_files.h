// The files of a release beside its program: what a script's #! names, the files among the
// arguments of an interpreter, and those that the configuration names. They are part of what the
// release is: another script under the same interpreter is another release.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

// What a configuration says of them.
struct FileRules {
  std::vector<std::string> patterns;  // as app/**/*.py; those after a ! are left out
  std::string working_dir;            // what is relative is so to this; "" for the supervisor's
};

// What processes of a release were seen to execute. A release of the same program executes what
// lies at these paths.
struct Behind {
  std::string program_digest;
  std::vector<std::string> paths;
};
Behind behind_of(const Release& release);
// One more file of the release: its digest is that of all.
void add_behind(Release& release, ReleaseFile file);

// Finds and digests them, and makes the release's digest, which is its program's or its bundle's
// alone before, that of all. Takes as long as reading them takes. Of known the first of the same
// program counts.
Result<void> add_files(Release& release, const FileRules& rules,
                       const std::vector<Behind>& known = {});
// The files that the configuration leaves out.
Result<std::vector<std::string>> files_left_out(const FileRules& rules);
// As they are now.
Result<std::vector<ReleaseFile>> read_files(const std::set<std::string>& paths);
// Of what was digested first, and of these files; the former where there are none.
std::string digest_of_all(const std::string& first, const std::vector<ReleaseFile>& files);

// Whether a program of that path runs what its arguments name.
bool is_interpreter(const std::string& path);
// What #! of an open file names, and the one argument that it may have; found is what runs: of
// `env PROGRAM` the program. Empty where there is no #!.
struct Shebang {
  std::vector<std::string> words;
  std::string found;
};
Shebang shebang_of(int file);

// Regular files that match a pattern, absolute and in order; ** is any number of folders.
Result<std::vector<std::string>> matching_files(const std::vector<std::string>& patterns,
                                                const std::string& working_dir);
std::string absolute_in(const std::string& working_dir, const std::string& path);

}  // namespace handoff::supervisor
