// A config file. One that is accepted can be run: every word fits into an exec, every address into
// the protocol. The error of any other says where and why.
#include <algorithm>
#include <string>
#include <string_view>

#include "check.h"
#include "libhandoff/protocol/limits.h"
#include "supervisor/config/config.h"
#include "supervisor/signing/signature.h"

namespace {

using namespace handoff;

bool fits_exec(const std::string& word) { return word.find('\0') == std::string::npos; }

void check_timeout(supervisor::Duration value, bool zero_is_fine) {
  CHECK_THAT(value >= supervisor::Duration{} && value <= std::chrono::hours(24), "");
  CHECK_THAT(zero_is_fine || value > supervisor::Duration{}, "");
}

void check_health(const supervisor::ServiceConfig& service) {
  using Kind = supervisor::HealthCheck::Kind;
  const supervisor::HealthCheck& health = service.health;
  check_timeout(health.interval, false);
  check_timeout(health.timeout, false);
  CHECK_THAT(health.failures >= 1, "");
  CHECK_THAT(std::all_of(health.command.begin(), health.command.end(), fits_exec), "");
  CHECK_THAT(health.kind != Kind::kExec || !health.command.empty(), "nothing to run");
  CHECK_THAT(health.path.find_first_of("\r\n ") == std::string::npos, "it splits the request");
  if (health.kind != Kind::kTcp && health.kind != Kind::kHttp) return;
  CHECK_THAT(std::any_of(service.listen.begin(), service.listen.end(),
                         [&](const auto& listener) {
                           return health.listener.empty() || listener.name == health.listener;
                         }),
             "nowhere to connect to");
}

void check(const supervisor::ServiceConfig& service) {
  CHECK_THAT(core::valid_name(service.name), service.name);
  CHECK_THAT(!service.command.empty() && !service.command.front().empty(), service.name);
  CHECK_THAT(std::all_of(service.command.begin(), service.command.end(), fits_exec),
             "a command with a NUL");
  CHECK_THAT(fits_exec(service.working_dir), "a working_dir with a NUL");
  CHECK_THAT(service.working_dir.empty() || service.working_dir.front() == '/', "");
  for (const auto& [key, value] : service.environment) {
    CHECK_THAT(!key.empty() && key.find('=') == std::string::npos, key);
    CHECK_THAT(fits_exec(key) && fits_exec(value), "a variable with a NUL");
  }
  CHECK_THAT(service.listen.size() <= supervisor::kMaxListeners, "");
  for (const auto& listener : service.listen) {
    CHECK_THAT(core::valid_name(listener.name), listener.name);
    CHECK_THAT(core::parse_address(to_string(listener.address)) == listener.address,
               to_string(listener.address));
  }
  check_timeout(service.timeouts.start, false);
  check_timeout(service.timeouts.freeze_budget, false);
  check_timeout(service.timeouts.stall, false);
  check_timeout(service.timeouts.drain, true);
  check_timeout(service.timeouts.probation, true);
  check_health(service);
  CHECK_THAT(service.max_generations >= 2 && service.max_generations <= 64, "");
  CHECK_THAT(fits_exec(service.releases_dir), "");
  CHECK_THAT(service.releases_dir.empty() || service.releases_dir.front() == '/', "");
  CHECK_THAT(fits_exec(service.verify_key), "");
  CHECK_THAT(service.verify_key.empty() || service.verify_key.front() == '/' ||
                 supervisor::parse_public_key(service.verify_key),
             service.verify_key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto config = supervisor::parse_config(text, "handoff.toml");
  if (!config) {
    CHECK_THAT(config.error().code == -EINVAL, config.error().message);
    CHECK_THAT(config.error().message.starts_with("handoff.toml:"), config.error().message);
    return 0;
  }
  CHECK_THAT(!config->services.empty(), "");
  for (const auto& service : config->services) check(service);
  return 0;
}
