// Patterns as in KEYS h?llo*, [abc], [^a], [a-z] and \x.
#ifndef HANDOFF_EXAMPLES_KV_GLOB_H
#define HANDOFF_EXAMPLES_KV_GLOB_H

#include <string_view>

namespace kv {

// Takes time proportional to pattern.size() * text.size() at worst, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_GLOB_H
