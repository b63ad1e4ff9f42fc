// A release: one file, opened once. What is digested here is what runs later, and what runs again
// after a crash, whatever has happened to the path since.
#pragma once

#include <sys/stat.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace handoff::supervisor {

struct Release {
  std::string path;  // also argv[0]
  std::vector<std::string> args;
  UniqueFd file;        // for execveat(2)
  bool script = false;  // begins with #!: its interpreter opens the fd again, so it must survive
  std::string digest;   // SHA-256, hex
  std::string name;     // from its manifest, once it has registered; "" before
  off_t size = 0;
  timespec modified{};

  // Whether the file has been written to since it was digested.
  bool changed() const;
  bool same_as(const Release& other) const {
    return path == other.path && args == other.args && digest == other.digest;
  }
};
using ReleasePtr = std::shared_ptr<Release>;

// Opens an executable file, as what runs is opened; an error says why it is none.
Result<UniqueFd> open_executable(const std::string& path);
// Opens and digests; takes as long as reading the file takes.
Result<ReleasePtr> open_release(const std::string& path, std::vector<std::string> args);
// The same on a thread of libuv's pool. done is called on the loop.
void open_release(uv_loop_t* loop, std::string path, std::vector<std::string> args,
                  std::function<void(Result<ReleasePtr>)> done);

// The absolute path of a program: as it is if it has a slash, else searched in $PATH as a shell
// does.
Result<std::string> find_program(const std::string& program);

}  // namespace handoff::supervisor
