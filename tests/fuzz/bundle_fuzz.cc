// A bundle's release.toml, and paths in it. One that is accepted names one folder, and a file in
// it.
#include <string>
#include <vector>

#include "check.h"
#include "libhandoff/core/address.h"
#include "supervisor/core/bundle_path.h"
#include "supervisor/releases/bundle_manifest.h"

namespace {

using namespace handoff;

void check_parts(const std::vector<std::string>& parts, const std::string& path) {
  for (const std::string& part : parts) {
    CHECK_THAT(!part.empty() && part != "." && part != ".." && part.size() <= 255, path);
    CHECK_THAT(part.find_first_of(std::string("/\0\n", 3)) == std::string::npos, path);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto parts = supervisor::bundle_path(text, 1024)) check_parts(*parts, text);
  const auto manifest = supervisor::parse_manifest(text);
  if (!manifest) {
    CHECK_THAT(manifest.error().message.starts_with("release.toml:"), manifest.error().message);
    return 0;
  }
  CHECK_THAT(core::valid_name(manifest->name) && core::valid_version(manifest->version), text);
  CHECK_THAT(!manifest->folder().starts_with('.'), manifest->folder());
  // One of the bundle's, or one of the host's, of which the kernel's rules say where it is.
  const auto program = supervisor::bundle_path(manifest->program, 1024);
  CHECK_THAT(manifest->program.starts_with('/') || (program && !program->empty()),
             manifest->program);
  if (manifest->args) {
    for (const std::string& arg : *manifest->args) {
      CHECK_THAT(arg.find('\0') == std::string::npos, "an argument with a NUL");
    }
  }
  return 0;
}
