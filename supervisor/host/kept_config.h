// The last configuration that was in force, kept in the state folder: with it a supervisor runs its
// services when the file can't be understood any more.
#pragma once

#include <optional>
#include <string>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

std::string kept_config_path(const std::string& state);
// text is what the file of that path said. Nothing is written if it is kept already.
Result<void> keep_config(const std::string& state, const std::string& file,
                         const std::string& text);
// What the file of that path said last; nullopt if nothing of it is kept.
std::optional<std::string> kept_config(const std::string& state, const std::string& file);

}  // namespace handoff::supervisor
