// The deadlines in an operator's request (JSON): what is taken is what was asked for, within a day.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "check.h"
#include "messages.h"

namespace {

using namespace handoff::supervisor;
using nlohmann::json;

constexpr std::array<std::pair<const char*, Duration Timeouts::*>, 4> kMembers{
    {{"start_timeout_us", &Timeouts::start},
     {"freeze_budget_us", &Timeouts::freeze_budget},
     {"stall_timeout_us", &Timeouts::stall},
     {"drain_us", &Timeouts::drain}}};

void check(const json& request, const Timeouts& taken) {
  constexpr std::uint64_t kDayUs = 24ULL * 3600 * 1000000;
  for (const auto& [name, member] : kMembers) {
    if (!request.contains(name)) {
      CHECK_THAT(taken.*member == Timeouts{}.*member, name);
      continue;
    }
    const json& asked = request.at(name);
    CHECK_THAT(asked.is_number_unsigned(), std::string(name) + " was " + asked.dump());
    const auto expected = std::min(asked.get<std::uint64_t>(), kDayUs);
    CHECK_THAT(to_us(taken.*member) == static_cast<std::int64_t>(expected), name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const json request = json::parse(text, nullptr, false);
  if (!request.is_object()) return 0;
  try {
    check(request, timeouts_from(request, {}));
  } catch (const json::exception& refused) {
    CHECK_THAT(*refused.what() != '\0', "refused, and does not say why");
  }
  return 0;
}
