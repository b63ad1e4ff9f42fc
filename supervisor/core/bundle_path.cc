#include "supervisor/core/bundle_path.h"

#include <algorithm>

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLongestPart = 255;

}  // namespace

Result<std::vector<std::string>> bundle_path(const std::string& path, std::size_t longest) {
  if (path.size() > longest) return fail(-ENAMETOOLONG, "a path of it is too long");
  const bool printable = std::none_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!printable) return fail(-EINVAL, "there is a control character in a path of it");
  if (path.starts_with('/')) return fail(-EINVAL, path + " is an absolute path");
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail(-EINVAL, path + " leads out of the bundle");
    if (part.size() > kLongestPart) return fail(-ENAMETOOLONG, "a file name of it is too long");
    parts.push_back(std::move(part));
  }
  if (!parts.empty() && parts.front().starts_with(kReleaseMarker)) {
    return fail(-EINVAL, path + " has a name that handoff keeps for itself");
  }
  return parts;
}

}  // namespace handoff::supervisor
