// Files of a test: a folder of its own, reading, writing, and waiting for files.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "libhandoff/base/unique_fd.h"
#include "support/process/deadline.h"

namespace handoff::test {

// A folder of its own under $TMPDIR, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  // In a folder of that path, such as /dev/shm, where flushing costs nothing.
  explicit TempDir(const std::filesystem::path& parent);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The file's content; "" if it can't be read.
std::string read_file(const std::string& path);
// Throws if it can't be written.
void write_file(const std::string& path, const std::string& text, mode_t mode = 0644);

// An fd that is readable when something was made in the folder of that path.
UniqueFd watch_folder_of(const std::string& path);
// Waits until the file exists; false at the deadline.
bool wait_for_file(const std::string& path, Deadline deadline = Deadline::patience());

}  // namespace handoff::test
