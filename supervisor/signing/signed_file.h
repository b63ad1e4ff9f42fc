// Files that run only if they are signed. What was verified is what runs, whatever happens to the
// path, or to the file that was there, meanwhile: a copy is made first that nobody can write to any
// more, the copy is verified, and the copy is what is executed or unpacked.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

// In memory, sealed and executable.
Result<UniqueFd> sealed_copy(int fd, const std::string& path);
// On the disk of that folder, without a name.
Result<UniqueFd> hidden_copy(int fd, const std::string& path, int folder);

struct Vouched {
  std::string key;  // its id
  std::string comment;
};
// Succeeds if PATH.minisig is a signature of what is in fd by that key (verify.key of the
// configuration: the key, or the path of its file). An Error of code -EKEYREJECTED says what is
// wrong.
Result<Vouched> verify_file(int fd, const std::string& path, const std::string& key);
// The version that the signature of path names, if it is for that service. The Error, of the same
// code, says how to sign.
Result<std::string> version_for(const std::string& service, const Vouched& vouched,
                                const std::string& path);

// What verify.key means.
Result<std::string> key_text(const std::string& key);

}  // namespace handoff::supervisor
