#include "supervisor/base/write_access.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace handoff::supervisor {
namespace {

bool is_trusted(uid_t uid) { return uid == 0 || uid == ::geteuid(); }

// "" if nobody.
std::string who_may(const struct stat& info) {
  std::string out;
  const auto add = [&out](const std::string& who) { out += (out.empty() ? "" : " and ") + who; };
  if (!is_trusted(info.st_uid)) add("uid " + std::to_string(info.st_uid) + ", its owner");
  if ((info.st_mode & S_IWOTH) != 0) {
    add("everybody");
  } else if ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0) {
    add("group " + std::to_string(info.st_gid));
  }
  return out;
}

}  // namespace

bool is_ours_alone(const struct stat& info) {
  return info.st_uid == ::geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::vector<std::string> write_access(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path whole = fs::weakly_canonical(path, error);  // links lead elsewhere, and that counts
  if (error) whole = path;
  std::vector<std::string> out;
  fs::path at;
  for (const fs::path& part : whole) {
    at /= part;
    struct stat info {};
    if (::lstat(at.c_str(), &info) < 0) break;
    const bool folder = S_ISDIR(info.st_mode);
    const bool sticky = folder && (info.st_mode & S_ISVTX) != 0;
    // The owner of a folder with the sticky bit may replace all in it.
    const std::string who = sticky && is_trusted(info.st_uid) ? "" : who_may(info);
    if (who.empty()) continue;
    out.push_back(at.string() + " may be written to by " + who + ": they can " +
                  (folder ? "replace what lies in it" : "change it"));
  }
  return out;
}

}  // namespace handoff::supervisor
