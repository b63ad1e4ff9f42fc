// "did you mean ...?" for names that people mistype.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace handoff::supervisor {

// The name that is at most two edits (and less than half the word) away from it, if there is one.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& names);

}  // namespace handoff::supervisor
