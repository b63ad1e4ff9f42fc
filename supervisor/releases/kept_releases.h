// The copies of a service's releases that the state folder keeps, kept/SERVICE/ID: whatever becomes
// of the files that they were opened from, they can be started again, also after a reboot.
//
// A copy has all files of its release below root/, each at its own path, so that scripts find each
// other, and release.json, which says for people what it is. A copy is whole: it is made under a
// hidden name, compared with the digest of what was opened, flushed, and renamed.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

class KeptReleases {
 public:
  static constexpr std::size_t kKeep = 5;

  // Nothing is created before something is kept.
  explicit KeptReleases(std::string folder) : folder_(std::move(folder)) {}

  // Where a service has them.
  static std::string folder_of(const std::string& state, const std::string& service);
  // By which folder a release goes.
  static std::string id_of(const Release& release);

  // Copies it, unless that is done already. The error says why it can't be kept.
  Result<void> keep(const Release& release) const;
  // Below this folder its files lie at their own paths, if it is kept; else an error.
  Result<std::string> root_of(const Release& release) const;
  // Where the copies of its files are, once it is kept.
  std::vector<std::string> copies_of(const Release& release) const;
  // Only the last ones stay, and those by these ids.
  void prune(const std::set<std::string>& ids) const;
  // None stays: the service is gone for good.
  void remove_all() const;

 private:
  std::string folder_;
};

}  // namespace handoff::supervisor
