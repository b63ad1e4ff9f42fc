#include "supervisor/processes/http_status.h"

#include <algorithm>

namespace handoff::supervisor {

int http_status(std::string_view answer) {
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kBegins = 9;  // behind the minor version and a space
  constexpr std::size_t kDigits = 3;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!answer.starts_with(kVersion) || answer.size() < kBegins + kDigits) return 0;
  const std::string_view code = answer.substr(kBegins, kDigits);
  if (!is_digit(answer[kVersion.size()]) || answer[kBegins - 1] != ' ' ||
      !std::all_of(code.begin(), code.end(), is_digit)) {
    return 0;
  }
  const std::string_view rest = answer.substr(kBegins + kDigits);
  if (!rest.empty() && std::string_view(" \r\n").find(rest.front()) == rest.npos) return 0;
  return (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
}

}  // namespace handoff::supervisor
