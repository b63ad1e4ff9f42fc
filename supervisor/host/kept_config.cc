#include "supervisor/host/kept_config.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/host/private_file.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr const char* kName = "config.kept";

UniqueFd open_state(const std::string& state) {
  return UniqueFd(::open(state.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

std::string kept_config_path(const std::string& state) { return state + "/" + kName; }

Result<void> keep_config(const std::string& state, const std::string& file,
                         const std::string& text) {
  if (kept_config(state, file) == text) return {};
  const UniqueFd folder = open_state(state);
  if (!folder.valid()) return fail_errno(state);
  const json kept{{"file", file}, {"text", text}};
  return replace_private(folder.get(), kName,
                         kept.dump(-1, ' ', false, json::error_handler_t::replace),
                         Outlives::kHost);
}

std::optional<std::string> kept_config(const std::string& state, const std::string& file) {
  const UniqueFd folder = open_state(state);
  if (!folder.valid()) return std::nullopt;
  const auto text = read_private(folder.get(), kName);
  if (!text) return std::nullopt;
  const auto& said = *text;
  if (!said) return std::nullopt;
  const json kept = json::parse(*said, nullptr, false);
  if (!kept.is_object() || kept.value("file", json()) != file || !kept.contains("text") ||
      !kept["text"].is_string()) {
    return std::nullopt;
  }
  return kept["text"].get<std::string>();
}

}  // namespace handoff::supervisor
