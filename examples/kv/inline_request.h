// A request typed by a person: words on a line, some of them quoted.
#ifndef HANDOFF_EXAMPLES_KV_INLINE_REQUEST_H
#define HANDOFF_EXAMPLES_KV_INLINE_REQUEST_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

// Words are separated by blanks. "..." knows \n \r \t \b \a \xHH and \ before any other byte; '...'
// knows \'. A closing quote must be followed by a blank or the end. Nothing if quotes are
// unbalanced.
std::optional<std::vector<std::string>> split_inline(std::string_view line);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_INLINE_REQUEST_H
