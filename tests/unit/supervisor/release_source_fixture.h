// A folder of releases, and bundles to unpack into it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "supervisor/releases/release_source.h"
#include "support/process/files.h"
#include "tar.h"

namespace handoff::supervisor {

inline const std::string kScript = "#!/bin/sh\necho hello\n";

// What the script prints that the release is.
inline std::string run(const Release& release) {
  const std::string command = "/proc/self/fd/" + std::to_string(release.file.get());
  // The shell and its child must inherit the fd.
  (void)::fcntl(release.file.get(), F_SETFD, 0);
  FILE* pipe = ::popen(("/bin/sh " + command).c_str(), "r");
  char text[256] = {};
  const std::size_t n = std::fread(text, 1, sizeof text, pipe);
  ::pclose(pipe);
  return {text, n};
}

class ReleaseSourceTest : public testing::Test {
 protected:
  std::string bundle(const std::string& version, const std::string& text = kScript,
                     const std::string& name = "bundle.tar.gz") {
    return test::Tar(scratch / name, test::Tar::Filter::kGzip)
        .manifest(version)
        .program("bin/chat", text)
        .close();
  }
  Result<ReleasePtr> obtain(const std::string& path, const std::string& key = "") {
    return obtain_release({.path = path, .releases_dir = releases, .verify_key = key});
  }
  std::string why(const std::string& path, const std::string& key = "") {
    const auto release = obtain(path, key);
    return release ? "" : release.error().message;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(releases, none)) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  using Names = std::vector<std::string>;

  test::TempDir scratch;
  std::string releases = scratch / "releases";
};

}  // namespace handoff::supervisor
