// A request of an operator (JSON). One that is accepted has exactly what was asked for, within its
// bounds.
#include "supervisor/operators/request.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "check.h"
#include "supervisor/core/progressive.h"

namespace {

using namespace handoff::supervisor;
using nlohmann::json;

constexpr std::uint64_t kDayUs = 24ULL * 3600 * 1000000;
constexpr std::array<std::pair<const char*, Duration Timeouts::*>, 5> kMembers{
    {{"start_timeout_us", &Timeouts::start},
     {"freeze_budget_us", &Timeouts::freeze_budget},
     {"stall_timeout_us", &Timeouts::stall},
     {"drain_us", &Timeouts::drain},
     {"probation_us", &Timeouts::probation}}};

void check_time(const json& asked, Duration taken, const std::string& name) {
  CHECK_THAT(asked.is_number_unsigned(), name + " was " + asked.dump());
  const auto expected = std::min(asked.get<std::uint64_t>(), kDayUs);
  CHECK_THAT(to_us(taken) == static_cast<std::int64_t>(expected), name);
}

void check(const json& object, const Request& request) {
  const Timeouts taken = request.timeouts.over({});
  for (const auto& [name, member] : kMembers) {
    if (object.contains(name)) {
      check_time(object.at(name), taken.*member, name);
    } else {
      CHECK_THAT(taken.*member == Timeouts{}.*member, name);
    }
  }
  if (object.contains("pause_us")) check_time(object.at("pause_us"), request.pause, "pause_us");
  CHECK_THAT(request.shares.empty() || valid_shares(request.shares), "shares");
  CHECK_THAT(request.path == object.value("path", ""), "path");
  CHECK_THAT(request.path.find('\0') == std::string::npos, "a NUL in the path");
  CHECK_THAT(request.args.has_value() == object.contains("args"), "args");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  json object = json::parse(text, nullptr, false);
  // Without a command almost every input would be refused at once.
  if (object.is_object()) {
    object.emplace("command", "upgrade");
    object.emplace("service", "chat");
  }
  const auto request = parse_request(object);
  if (request) {
    check(object, *request);
  } else {
    CHECK_THAT(!request.error().message.empty(), "refused, and does not say why");
  }
  return 0;
}
