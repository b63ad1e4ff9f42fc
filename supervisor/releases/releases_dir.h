// The folder that a service's bundles are unpacked into, NAME-VERSION by NAME-VERSION. What is in
// it is whole: a release is unpacked under a hidden name, flushed, and renamed. The last five stay,
// and any that somebody still holds: whoever holds one has a lock (flock) on its folder, so that no
// list of them need be kept. Only folders with handoff's own marker are removed or replaced.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

// A release's folder, held. Unless it is kept, it is removed when nobody holds it any more: a
// failed upgrade leaves nothing.
class ReleaseFolder {
 public:
  // One that is there.
  static Result<std::shared_ptr<ReleaseFolder>> hold(const std::string& path);
  ~ReleaseFolder();
  ReleaseFolder(const ReleaseFolder&) = delete;
  ReleaseFolder& operator=(const ReleaseFolder&) = delete;

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  // Digest of all that the bundle brought: names, modes, contents, targets of links.
  const std::string& tree() const { return tree_; }
  void keep() { kept_ = true; }
  // Opens a file in it; a link in the way may not lead out.
  Result<UniqueFd> open_file(const std::string& path) const;

 private:
  friend class ReleasesDir;
  ReleaseFolder() = default;
  std::string path_;
  UniqueFd fd_;  // with the lock
  std::string tree_;
  bool kept_ = true;
};
using ReleaseFolderPtr = std::shared_ptr<ReleaseFolder>;

class ReleasesDir {
 public:
  static constexpr std::size_t kKeep = 5;

  // Creates it if need be; refuses one that others could change. Waits for whoever else has it
  // open.
  static Result<ReleasesDir> open(const std::string& path);

  int fd() const { return fd_.get(); }
  // Has fill put a release into a new folder and say what it is called, and gives it that name. The
  // same release again is the one that is there; one that is new is not kept yet.
  Result<ReleaseFolderPtr> add(const std::function<Result<std::string>(int folder)>& fill);
  // Of those that handoff has made only the last ones stay, and those that somebody holds.
  void prune() const;

 private:
  ReleasesDir() = default;
  Result<ReleaseFolderPtr> put(const std::string& hidden, const std::string& name);
  std::string path_;
  UniqueFd fd_;  // with a lock
};

}  // namespace handoff::supervisor
