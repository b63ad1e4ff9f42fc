// JSON on one line, for a socket, a file or a terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace handoff::supervisor {

// Without a newline at its end. What a terminal would obey is in escapes (base/text.h), also where
// JSON itself needs none; a text that is no UTF-8 must not stop an answer, and is mended.
std::string json_line(const nlohmann::json& value);

}  // namespace handoff::supervisor
