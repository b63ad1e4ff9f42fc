// HANDOFF_FAILPOINT. A text that is accepted has in each part a point that there is, a count and an
// action; a mistake is told with the part that it is in.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "libhandoff/sys/failpoint.h"

namespace {

using namespace handoff;

constexpr std::string_view kActions[] = {"kill", "stop", "exit", "delay:", "error:", "ask:"};

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void check_part(std::string_view part) {
  const std::size_t equals = part.find('=');
  CHECK_THAT(equals != part.npos, std::string(part));
  std::string_view point = part.substr(0, equals);
  if (const std::size_t at = point.find('@'); at != point.npos) {
    std::string_view count = point.substr(at + 1);
    if (count.ends_with('+')) count.remove_suffix(1);
    CHECK_THAT(all_digits(count) && count.find_first_not_of('0') != count.npos, std::string(part));
    point = point.substr(0, at);
  }
  CHECK_THAT(std::ranges::find(failpoint::all(), point) != failpoint::all().end(),
             std::string(part));
  const std::string_view action = part.substr(equals + 1);
  CHECK_THAT(std::ranges::any_of(kActions,
                                 [&](std::string_view one) {
                                   return one.ends_with(':') ? action.starts_with(one)
                                                             : action == one;
                                 }),
             std::string(part));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string problem = failpoint::problem_of(text);
  std::vector<std::string_view> parts;
  for (std::string_view rest = text; !rest.empty();) {
    parts.push_back(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(parts.back().size() + 1, rest.size()));
  }
  if (problem.empty()) {
    for (const std::string_view part : parts) check_part(part);
  } else {
    CHECK_THAT(std::ranges::any_of(parts,
                                   [&](std::string_view part) {
                                     return problem.find("\"" + std::string(part) + "\"") !=
                                            problem.npos;
                                   }),
               problem);
  }
  // What is right alone is right in a row.
  const bool each = std::ranges::all_of(parts, [](std::string_view part) {
    return !part.empty() && failpoint::problem_of(part).empty();
  });
  CHECK_THAT(each == problem.empty(), problem);
  return 0;
}
