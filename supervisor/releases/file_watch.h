// Says when a file has been rebuilt: once nothing has happened to it for a moment, and nobody
// writes to it any more. Its folder is watched, not the file: linkers and packagers write another
// one and rename it.
#pragma once

#include <functional>
#include <string>

#include "supervisor/loop/handles.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

class FileWatch {
 public:
  // rebuilt: false if it was not the moment, and is to be asked again.
  FileWatch(uv_loop_t* loop, std::string path, Duration settle, std::function<bool()> rebuilt);
  const std::string& path() const { return path_; }

 private:
  void happened(const std::string& name);
  void settled();
  void watch_folder();

  uv_loop_t* loop_;
  std::string path_;
  Duration settle_;
  std::function<bool()> rebuilt_;
  FileMark last_;    // when it was last rebuilt, or first looked at
  FileMark folder_;  // the one that is watched
  std::unique_ptr<FolderWatch> events_;
  Timer timer_;
};

}  // namespace handoff::supervisor
