// A folder for what a target needs as files, in memory, where flushing costs nothing. It is gone
// when the target ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "check.h"

namespace handoff::fuzz {

class Scratch {
 public:
  Scratch() { CHECK_THAT(::mkdtemp(path_.data()) != nullptr, path_); }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/dev/shm/handoff-fuzz-XXXXXX";
};

inline void write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  CHECK_THAT(file.flush().good(), path);
}

}  // namespace handoff::fuzz
