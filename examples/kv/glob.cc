// One star at a time: when a match fails behind a star, only the latest star takes one more byte.
// An earlier star never has to be tried again, so there is no exponential case.
#include "glob.h"

#include <cstddef>
#include <utility>

namespace kv {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

struct Step {
  bool matched;
  std::size_t next;  // where the pattern goes on
};

// pattern[at] is '['; a class without its ']' ends with the pattern.
Step match_class(std::string_view pattern, std::size_t at, char c) {
  ++at;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found = found || pattern[at + 1] == c;
      at += 2;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      auto low = static_cast<unsigned char>(pattern[at]);
      auto high = static_cast<unsigned char>(pattern[at + 2]);
      if (low > high) std::swap(low, high);
      const auto byte = static_cast<unsigned char>(c);
      found = found || (byte >= low && byte <= high);
      at += 3;
    } else {
      found = found || pattern[at] == c;
      ++at;
    }
  }
  return {found != negated, at < pattern.size() ? at + 1 : at};
}

Step match_one(std::string_view pattern, std::size_t at, char c) {
  switch (pattern[at]) {
    case '?':
      return {true, at + 1};
    case '[':
      return match_class(pattern, at, c);
    case '\\':
      if (at + 1 < pattern.size()) return {pattern[at + 1] == c, at + 2};
      [[fallthrough]];
    default:
      return {pattern[at] == c, at + 1};
  }
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::size_t star = kNone, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size()) {
      const Step step = match_one(pattern, p, text[t]);
      if (step.matched) {
        p = step.next;
        ++t;
        continue;
      }
    }
    if (star == kNone) return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace kv
