#include "supervisor/operators/request.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "supervisor/core/duration.h"
#include "supervisor/core/progressive.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr auto kLongestUs = static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(kLongestDuration).count());
using Command = Request::Command;

struct Known {
  std::string_view name;
  Command command;
  bool of_a_service;
};
constexpr std::array kCommands = {
    Known{"status", Command::kStatus, false},     Known{"history", Command::kHistory, false},
    Known{"reload", Command::kReload, false},     Known{"self", Command::kSelf, false},
    Known{"upgrade", Command::kUpgrade, true},    Known{"plan", Command::kPlan, true},
    Known{"drop_plan", Command::kDropPlan, true}, Known{"restart", Command::kRestart, true},
    Known{"rollback", Command::kRollback, true},  Known{"commit", Command::kCommit, true},
    Known{"stop", Command::kStop, true}};

Failure refuse(const std::string& member, const std::string& expected) {
  return fail(-EINVAL, "\"" + member + "\" of the request is no " + expected);
}

// A NUL would end it early for the system, which would then act on something else.
bool is_text(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>().find('\0') == std::string::npos;
}

class Members {
 public:
  explicit Members(const json& object) : object_(object) {}

  Result<void> take(const char* name, std::string& into) const {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    if (!is_text(*found)) return refuse(name, "text without NUL bytes");
    into = found->get<std::string>();
    return {};
  }
  Result<void> take(const char* name, bool& into) const {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    if (!found->is_boolean()) return refuse(name, "true or false");
    into = found->get<bool>();
    return {};
  }
  Result<void> take(const char* name, std::optional<Duration>& into) const {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    if (!found->is_number_unsigned()) return refuse(name, "whole number of microseconds");
    into = std::chrono::microseconds(std::min(found->get<std::uint64_t>(), kLongestUs));
    return {};
  }
  Result<void> take(const char* name, std::optional<std::vector<std::string>>& into) const {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    if (!found->is_array() || !std::all_of(found->begin(), found->end(), is_text)) {
      return refuse(name, "list of texts without NUL bytes");
    }
    into = found->get<std::vector<std::string>>();
    return {};
  }
  // Thousandths that move one after the other.
  Result<void> take_shares(std::vector<std::uint32_t>& into) const {
    const auto found = object_.find("shares");
    if (found == object_.end() || (found->is_array() && found->empty())) return {};
    const auto is_share = [](const json& value) {
      return value.is_number_unsigned() && value.get<std::uint64_t>() <= kAllShares;
    };
    if (found->is_array() && std::all_of(found->begin(), found->end(), is_share)) {
      into = found->get<std::vector<std::uint32_t>>();
      if (valid_shares(into)) return {};
    }
    return refuse("shares", "list of at most ten ascending thousandths of which the last is 1000");
  }

 private:
  const json& object_;
};

}  // namespace

Result<Request> parse_request(const json& object) {
  if (!object.is_object() || !object.contains("command") || !object["command"].is_string()) {
    return fail(-EINVAL, "the request is no JSON object with a command");
  }
  const auto& name = object["command"].get_ref<const std::string&>();
  const auto* known = std::find_if(kCommands.begin(), kCommands.end(),
                                   [&name](const Known& one) { return one.name == name; });
  if (known == kCommands.end()) return fail(-EINVAL, "no command \"" + name + "\"");
  Request out;
  out.command = known->command;
  const Members members(object);
  std::optional<Duration> pause;
  for (const auto& taken :
       {members.take("service", out.service), members.take("path", out.path),
        members.take("args", out.args), members.take("configured", out.configured),
        members.take("allow_downgrade", out.allow_downgrade),
        members.take("ignore_memory", out.ignore_memory), members.take("one_way", out.one_way),
        members.take("start_timeout_us", out.timeouts.start),
        members.take("freeze_budget_us", out.timeouts.freeze_budget),
        members.take("stall_timeout_us", out.timeouts.stall),
        members.take("drain_us", out.timeouts.drain),
        members.take("probation_us", out.timeouts.probation), members.take("pause_us", pause),
        members.take_shares(out.shares)}) {
    if (!taken) return Failure(taken.error());
  }
  if (!out.path.empty() && out.path.front() != '/') return refuse("path", "absolute path");
  if (known->of_a_service && out.service.empty()) {
    return fail(-EINVAL, "the request names no service");
  }
  if (out.configured && (!out.path.empty() || out.args)) {
    return fail(-EINVAL, "the request is for what the configuration names, and names another");
  }
  out.pause = pause.value_or(Duration{});
  return out;
}

}  // namespace handoff::supervisor
