#include "subject.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "clock.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace bench {
namespace {

test::Supervisor::Options supervisor_options(const std::string& name,
                                             std::vector<std::string> command) {
  test::Supervisor::Options options;
  options.command = std::move(command);
  options.name = name;
  return options;
}

std::vector<std::string> with(std::string first, std::vector<std::string> rest) {
  rest.insert(rest.begin(), std::move(first));
  return rest;
}

}  // namespace

Subject::Subject(std::string program, std::vector<std::string> arguments, const std::string& name)
    : program_(test::program(program)),
      arguments_(std::move(arguments)),
      supervisor_(supervisor_options(name, with(program_, arguments_for(1)))) {}

std::vector<std::string> Subject::arguments_for(int release) const {
  std::vector<std::string> out = arguments_;
  out.insert(out.end(), {"--release", std::to_string(release)});
  return out;
}

void Subject::settle() {
  if (settled_) return;
  supervisor_.settle();
  settled_ = true;
}

Upgraded Subject::upgrade() {
  settle();
  settled_ = false;
  const std::uint64_t begun = now_ns();
  // A long switch must be measured and not given up, so the budget is 5 s.
  const auto outcome =
      supervisor_.upgrade(program_, arguments_for(++release_), {"--freeze-budget", "5s"});
  const std::uint64_t ended = now_ns();
  const nlohmann::json done = outcome.done();
  if (outcome.status != 0 || done.is_null()) {
    throw std::runtime_error("an upgrade failed: " + outcome.describe());
  }
  const nlohmann::json& phases = done.at("phases_us");
  return {.transfer = phases.at("transfer"),
          .copy = phases.at("copy"),
          .switched = phases.at("switch"),
          .start = phases.at("start"),
          .retire = phases.at("retire"),
          .blackout_p999 = done.at("blackout_us").at("p999"),
          .total = static_cast<double>(ended - begun) / 1000,
          .sent_ns = begun,
          .frozen_ns = done.at("at_ns").at("frozen"),
          .running_ns = done.at("at_ns").at("running"),
          .moved = done.at("sessions").at("moved")};
}

void Subject::wait_for_sessions(std::size_t sessions) const {
  supervisor_.wait_for_status([sessions](const nlohmann::json& service) {
    return service.value("sessions", std::size_t{0}) == sessions;
  });
}

}  // namespace bench
