// release.toml at the root of a bundle: what it is, and which of its files is the program.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

inline constexpr const char* kManifestName = "release.toml";

struct BundleManifest {
  std::string name;
  std::string version;
  std::string program;  // its path in the bundle; one that begins with / is the host's
  std::optional<std::vector<std::string>> args;  // unless others are given
  std::vector<std::string> files;  // patterns of the host's files that belong to it, as `files`
  // The folder that it is unpacked into.
  std::string folder() const { return name + "-" + version; }
};

// An error says everything that is wrong with it.
Result<BundleManifest> parse_manifest(const std::string& text);

}  // namespace handoff::supervisor
