#include "supervisor/host/choice.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr int kFormat = 1;
constexpr const char* kName = "/choice.json";
constexpr const char* kNewName = "/choice.json.new";
constexpr std::size_t kMaxText = 16 * 1024 * 1024;

json probation_json(const Probation::Saved& probation, Time now) {
  json left = nullptr;
  if (probation.until) left = std::max(*probation.until - now, Duration{}).count();
  return {{"provisional", probation.provisional},
          {"left_ns", std::move(left)},
          {"has_back", probation.has_back},
          {"back_proven", probation.back_proven}};
}

Probation::Saved probation_from(const json& in, Time now) {
  Probation::Saved out{.provisional = in.at("provisional").get<bool>(),
                       .until = std::nullopt,
                       .has_back = in.at("has_back").get<bool>(),
                       .back_proven = in.at("back_proven").get<bool>()};
  if (const json& left = in.at("left_ns"); !left.is_null()) {
    out.until = now + Duration(left.get<std::int64_t>());
  }
  return out;
}

}  // namespace

std::string choice_text(const SavedService& service, Time now) {
  const json out{{"format", kFormat},
                 {"service", service.name},
                 {"command", service.command},
                 {"release", to_json(service.release)},
                 {"back", service.back ? to_json(*service.back) : json()},
                 {"probation", probation_json(service.machine.probation, now)},
                 {"stopped", service.machine.rest == Rest::kStopped}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<SavedService> parse_choice(const std::string& text, const std::string& file, Time now) {
  try {
    const json in = json::parse(text);
    if (const int format = in.at("format").get<int>(); format != kFormat) {
      return fail(-EPROTO, file + " is of format " + std::to_string(format) +
                               ", and this supervisor reads format " + std::to_string(kFormat));
    }
    SavedService out;
    out.name = in.at("service").get<std::string>();
    out.command = in.at("command").get<std::vector<std::string>>();
    out.release = release_from(in.at("release"));
    if (const json& back = in.at("back"); !back.is_null()) out.back = release_from(back);
    out.machine.probation = probation_from(in.at("probation"), now);
    if (in.at("stopped").get<bool>()) out.machine.rest = Rest::kStopped;
    out.cold = true;
    return out;
  } catch (const json::exception& error) {
    return fail(-EPROTO, file + " can't be read: " + error.what());
  }
}

Result<void> write_choice(const std::string& folder, const std::string& text) {
  const std::string what = "writing " + folder + kName;
  const std::string hidden = folder + kNewName;
  // Not over one that lies there: only what is created here is known to be ours alone.
  if (::unlink(hidden.c_str()) < 0 && errno != ENOENT) return fail_errno(what);
  {
    const UniqueFd file(
        ::open(hidden.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.valid()) return fail_errno(what);
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t n = ::write(file.get(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail_errno(what);
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fsync(file.get()) < 0) return fail_errno(what);
  }
  if (::rename(hidden.c_str(), (folder + kName).c_str()) < 0) return fail_errno(what);
  const UniqueFd above(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!above.valid() || ::fsync(above.get()) < 0) return fail_errno(what);
  return {};
}

Result<std::optional<SavedService>> read_choice(const std::string& folder, Time now) {
  const std::string path = folder + kName;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail_errno(path);
  }
  struct stat info {};
  if (::fstat(file.get(), &info) < 0) return fail_errno(path);
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return fail(-EPERM, path + " is no file of this user's alone");
  }
  std::string text;
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t n = ::read(file.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path);
    if (n == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(n));
    if (text.size() > kMaxText) return fail(-EFBIG, path + " is too large to be true");
  }
  auto parsed = parse_choice(text, path, now);
  if (!parsed) return Failure(parsed.error());
  return std::optional<SavedService>(std::move(*parsed));
}

}  // namespace handoff::supervisor
