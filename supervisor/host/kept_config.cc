// The happy path: a JSON object in a new file, flushed, renamed over the old one. Whatever fails
// leaves the old one.
#include "supervisor/host/kept_config.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string path_in(const std::string& state) { return state + "/config.kept"; }

Result<void> write_new(const std::string& path, const std::string& text) {
  const std::string what = "keeping the config in " + path;
  // Only what is created here is known to be ours alone.
  if (::unlink(path.c_str()) < 0 && errno != ENOENT) return fail_errno(what);
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return fail_errno(what);
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(what);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fdatasync(fd.get()) < 0 && errno != EINVAL && errno != EROFS) return fail_errno(what);
  return {};
}

}  // namespace

Result<void> keep_config(const std::string& state, const std::string& file,
                         const std::string& text) {
  if (kept_config(state, file) == text) return {};
  const std::string path = path_in(state);
  const json kept{{"file", file}, {"text", text}};
  const std::string fresh = path + ".new";
  if (auto written = write_new(fresh, kept.dump(-1, ' ', false, json::error_handler_t::replace));
      !written) {
    return written;
  }
  if (::rename(fresh.c_str(), path.c_str()) < 0) return fail_errno("keeping the config in " + path);
  return {};
}

std::optional<std::string> kept_config(const std::string& state, const std::string& file) {
  const UniqueFd fd(::open(path_in(state).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return std::nullopt;
  std::ifstream in("/proc/self/fd/" + std::to_string(fd.get()), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const json kept = json::parse(text, nullptr, false);
  if (!kept.is_object() || kept.value("file", json()) != file || !kept.contains("text") ||
      !kept["text"].is_string()) {
    return std::nullopt;
  }
  return kept["text"].get<std::string>();
}

}  // namespace handoff::supervisor
