#include "supervisor/host/choice.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/base/json_read.h"
#include "supervisor/core/duration.h"
#include "supervisor/host/private_file.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr int kFormat = 1;
constexpr const char* kName = "choice.json";

json probation_json(const Probation::Saved& probation, Time now) {
  json left = nullptr;
  if (probation.until) left = std::max(*probation.until - now, Duration{}).count();
  return {{"provisional", probation.provisional},
          {"left_ns", std::move(left)},
          {"has_back", probation.has_back},
          {"back_proven", probation.back_proven},
          {"one_way", probation.one_way}};
}

Probation::Saved probation_from(const json& in, Time now) {
  Probation::Saved out{.provisional = in.at("provisional").get<bool>(),
                       .until = std::nullopt,
                       .has_back = in.at("has_back").get<bool>(),
                       .back_proven = in.at("back_proven").get<bool>(),
                       .one_way = in.value("one_way", false)};  // older supervisors don't say
  if (const json& left = in.at("left_ns"); !left.is_null()) {
    out.until = now + Duration(need_number<std::int64_t>(left, 0, kLongestDuration.count()));
  }
  return out;
}

// The host may have been booted since, and another system may have written to its disks.
void forget_marks(SavedRelease& release) {
  release.mark = {};
  for (SavedFile& file : release.files) file.mark = {};
}

}  // namespace

std::string choice_text(const SavedService& service, Time now) {
  json out{{"format", kFormat},
           {"service", service.name},
           {"command", service.command},
           {"release", to_json(service.release)},
           {"back", service.back ? to_json(*service.back) : json()},
           {"probation", probation_json(service.machine.probation, now)},
           {"stopped", service.machine.rest == Rest::kStopped}};
  if (!service.program.empty()) out["program"] = service.program;
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<SavedService> parse_choice(const std::string& text, const std::string& file, Time now) {
  try {
    const json in = json::parse(text);
    if (const int format = need_number<int>(in.at("format"), 0, INT_MAX); format != kFormat) {
      return fail(-EPROTO, file + " is of format " + std::to_string(format) +
                               ", and this supervisor reads format " + std::to_string(kFormat));
    }
    SavedService out;
    out.name = in.at("service").get<std::string>();
    out.command = in.at("command").get<std::vector<std::string>>();
    out.program = in.value("program", "");
    out.release = release_from(in.at("release"));
    if (const json& back = in.at("back"); !back.is_null()) out.back = release_from(back);
    forget_marks(out.release);
    if (out.back) forget_marks(*out.back);
    out.machine.probation = probation_from(in.at("probation"), now);
    if (in.at("stopped").get<bool>()) out.machine.rest = Rest::kStopped;
    out.cold = true;
    return out;
  } catch (const json::exception& error) {
    return fail(-EPROTO, file + " can't be read: " + error.what());
  }
}

std::string choice_path(const std::string& folder) { return folder + "/" + kName; }

Result<void> write_choice(const std::string& folder, const std::string& text) {
  const UniqueFd at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at.valid()) return fail_errno(folder);
  return replace_private(at.get(), kName, text, Outlives::kHost);
}

Result<std::optional<SavedService>> read_choice(const std::string& folder, Time now) {
  const UniqueFd at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail_errno(folder);
  }
  const auto text = read_private(at.get(), kName);
  if (!text) return Failure(text.error());
  const auto& said = *text;
  if (!said) return std::nullopt;
  auto parsed = parse_choice(*said, choice_path(folder), now);
  if (!parsed) return Failure(parsed.error());
  return std::optional<SavedService>(std::move(*parsed));
}

}  // namespace handoff::supervisor
