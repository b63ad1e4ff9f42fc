// A disk of 64 KiB, or of few files, that a test fills. Only root can mount one.
#pragma once

#include <string>

#include "support/process/files.h"

namespace handoff::test {

class SmallDisk {
 public:
  // Gives this process a mount namespace of its own, so that its disks end with it and nobody else
  // sees them. Throws if it may not.
  static void keep_to_this_process();

  // options are those of a tmpfs, see mount(8).
  explicit SmallDisk(const std::string& options = "size=64k");
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  const std::string& path() const { return folder_.path(); }
  // A file that ends at the end of a page can't grow on a full disk, either.
  void fill() const;
  void make_room() const;
  void remount(const std::string& options) const;

 private:
  TempDir folder_;
};

// Appends a record to a file of JSON lines up to the end of a page, so that the next record needs
// another page.
void pad_to_page(const std::string& path);

}  // namespace handoff::test
