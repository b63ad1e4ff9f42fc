#include "supervisor/core/claim.h"

#include <algorithm>
#include <vector>

#include "libhandoff/core/address.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLongestVersion = 64;
constexpr std::string_view kAllowed =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+~";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::weak_ordering by_number(std::string_view a, std::string_view b) {
  const auto without_zeros = [](std::string_view text) {
    return text.substr(std::min(text.find_first_not_of('0'), text.size()));
  };
  a = without_zeros(a);
  b = without_zeros(b);
  return a.size() != b.size() ? a.size() <=> b.size() : a <=> b;
}

struct Version {
  std::vector<std::string_view> numbers;
  std::vector<std::string_view> before;  // of a pre-release: what it comes before is without them
};

std::optional<Version> parse_version(std::string_view text) {
  if (text.size() > kLongestVersion || text.find_first_not_of(kAllowed) != text.npos)
    return std::nullopt;
  if (text.starts_with('v')) text.remove_prefix(1);
  text = text.substr(0, text.find('+'));
  if (text.find('~') != text.npos) return std::nullopt;  // Debian's order is another
  Version out;
  const std::size_t dash = text.find('-');
  out.numbers = split(text.substr(0, dash), ".");
  if (dash != std::string_view::npos) out.before = split(text.substr(dash + 1), ".");
  const auto is_empty = [](std::string_view part) { return part.empty(); };
  if (!std::all_of(out.numbers.begin(), out.numbers.end(), is_number) ||
      std::any_of(out.before.begin(), out.before.end(), is_empty)) {
    return std::nullopt;
  }
  return out;
}

std::weak_ordering compare_parts(std::string_view a, std::string_view b) {
  if (is_number(a) && is_number(b)) return by_number(a, b);
  if (is_number(a) != is_number(b)) {
    return is_number(a) ? std::weak_ordering::less : std::weak_ordering::greater;
  }
  return a <=> b;
}

}  // namespace

Result<Claim> parse_claim(std::string_view comment) {
  Claim out;
  const auto take = [](std::string_view word, std::string_view name, std::string& into) {
    if (!word.starts_with(name)) return true;
    const bool first = into.empty();
    into = word.substr(name.size());
    return first;
  };
  bool once = true;
  for (const std::string_view word : split(comment, " \t")) {
    once = take(word, "service=", out.service) && take(word, "version=", out.version) && once;
  }
  if (!once) return fail(-EKEYREJECTED, "names two services or versions");
  if (!core::valid_name(out.service) || !parse_version(out.version)) {
    return fail(-EKEYREJECTED, "does not name the service and the version");
  }
  return out;
}

std::optional<std::weak_ordering> compare_versions(std::string_view a, std::string_view b) {
  const auto one = parse_version(a);
  const auto other = parse_version(b);
  if (!one || !other) return std::nullopt;
  const std::size_t numbers = std::max(one->numbers.size(), other->numbers.size());
  for (std::size_t i = 0; i < numbers; ++i) {
    const auto at = [i](const Version& of) {
      return i < of.numbers.size() ? of.numbers[i] : std::string_view("0");
    };
    if (const auto order = by_number(at(*one), at(*other)); order != 0) return order;
  }
  if (one->before.empty() != other->before.empty()) {
    return one->before.empty() ? std::weak_ordering::greater : std::weak_ordering::less;
  }
  const std::size_t parts = std::min(one->before.size(), other->before.size());
  for (std::size_t i = 0; i < parts; ++i) {
    const auto order = compare_parts(one->before[i], other->before[i]);
    if (order != 0) return order;
  }
  return one->before.size() <=> other->before.size();
}

std::string downgrade_problem(const std::string& version, const std::string& before,
                              const char* verb) {
  const auto order = compare_versions(version, before);
  if (order && *order >= 0) return "";
  const std::string other = before.empty() ? "one without a version" : before;
  return "is version " + version + ", and " + other + " " + verb +
         (order ? "" : ", which can't be compared with it");
}

}  // namespace handoff::supervisor
