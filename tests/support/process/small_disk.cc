#include "support/process/small_disk.h"

#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace handoff::test {
namespace {

constexpr std::size_t kPage = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

void SmallDisk::keep_to_this_process() {
  if (::unshare(CLONE_NEWNS) < 0) fail("only root can mount a small disk: unshare");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) fail("mount /");
}

SmallDisk::SmallDisk(const std::string& options) {
  if (::mount("small", path().c_str(), "tmpfs", 0, (options + ",mode=0700").c_str()) < 0) {
    fail("a tmpfs can't be mounted");
  }
}

SmallDisk::~SmallDisk() { ::umount2(path().c_str(), MNT_DETACH); }

void SmallDisk::fill() const {
  std::ofstream filler(path() + "/filler", std::ios::binary);
  while (filler << std::string(512, 'x') << std::flush) {
  }
}

void SmallDisk::make_room() const { std::filesystem::remove(path() + "/filler"); }

void SmallDisk::remount(const std::string& options) const {
  if (::mount("small", path().c_str(), "tmpfs", MS_REMOUNT, options.c_str()) < 0) {
    fail("a tmpfs can't be changed");
  }
}

void pad_to_page(const std::string& path) {
  std::string record = R"({"event":"padding","text":""})";
  const std::size_t size = std::filesystem::file_size(path);
  record.insert(record.size() - 2, kPage - (size + record.size() + 1) % kPage, 'x');
  std::ofstream(path, std::ios::app) << record << "\n";
  if (std::filesystem::file_size(path) % kPage != 0) {
    throw std::runtime_error(path + " does not end at the end of a page");
  }
}

}  // namespace handoff::test
