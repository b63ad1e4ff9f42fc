#include "support/process/files.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace handoff::test {

TempDir::TempDir() : TempDir(std::filesystem::temp_directory_path()) {}

TempDir::TempDir(const std::filesystem::path& parent)
    : path_((parent / "handoff-test-XXXXXX").string()) {
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + path_);
  }
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
  // A process that ends between open() and read() makes an iterator over its file in /proc throw.
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

void write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  if (!file || ::chmod(path.c_str(), mode) < 0) {
    throw std::system_error(errno, std::generic_category(), "writing " + path);
  }
}

UniqueFd watch_folder_of(const std::string& path) {
  UniqueFd out(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const std::string folder = std::filesystem::path(path).parent_path();
  if (::inotify_add_watch(out.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO) < 0) {
    throw std::system_error(errno, std::generic_category(), "watching " + folder);
  }
  return out;
}

bool wait_for_file(const std::string& path, Deadline deadline) {
  const UniqueFd changes = watch_folder_of(path);
  while (!std::filesystem::exists(path)) {
    if (!readable(changes.get(), deadline)) return false;
    std::array<char, 4096> events;
    (void)!::read(changes.get(), events.data(), events.size());
  }
  return true;
}

}  // namespace handoff::test
