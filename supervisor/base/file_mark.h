// Which file was at a path, and in which state. The kernel changes a file's times with its content:
// what was found out by reading a file holds as long as its mark does.
#pragma once

#include <sys/stat.h>

namespace handoff::supervisor {

struct FileMark {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{};
  timespec changed{};

  static FileMark of(const struct stat& info);
  // Else it is the mark of no file.
  bool known() const { return inode != 0; }
  friend bool operator==(const FileMark& a, const FileMark& b);
};

}  // namespace handoff::supervisor
