// The part of ServiceRunner that follows its configuration, which may be read again: what is to
// run, where that comes from, and whether it may.
#include <filesystem>
#include <utility>

#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {

Service::Policy ServiceRunner::policy_of(const ServiceConfig& config) {
  using Kind = HealthCheck::Kind;
  const Kind kind = config.health.kind;
  return {.name = config.name,
          .restart = config.restart,
          .timeouts = config.timeouts,
          .probation = {.checked = kind != Kind::kNone,
                        .polled = kind != Kind::kNone && kind != Kind::kService,
                        .failures = config.health.failures,
                        .max_errors = config.max_errors},
          .late = {.policy = config.late,
                   .drain = config.timeouts.drain,
                   .max_generations = config.max_generations}};
}

void ServiceRunner::reconfigure(ServiceConfig config) {
  config_ = std::move(config);
  // Of what could never be opened nothing is to be kept: it may have been a slip.
  if (never_opened()) {
    release_ = unopened_release(config_.command);
    release_command_ = config_.command;
  }
  machine_.set_policy(policy_of(config_));
  listeners_.want(config_.listen);
  health_.set_check(config_.health);
  look_after_trial();
}

// What is asked for, as far as it is said; the rest is as it is, or as a reload has said since.
void ServiceRunner::want(const std::string& path, std::optional<std::vector<std::string>> args) {
  wanted_path_ = path.empty() ? release_->source : path;
  wanted_args_ = release_->args;
  wanted_args_given_ = args.has_value();
  if (path.empty() && release_command_ != config_.command) {  // by a reload
    const std::string& program = config_.command.front();
    wanted_path_ = find_program(program).value_or(program);
    wanted_args_.assign(config_.command.begin() + 1, config_.command.end());
    wanted_args_given_ = true;
  }
  if (args) wanted_args_ = std::move(*args);
}

// A key that is set counts for whatever somebody asks to be started, also if it came by a reload.
std::string ServiceRunner::unverified(const Release& release) const {
  if (config_.verify_key.empty() || !release.verified.empty()) return "";
  if (!release.file.valid()) return "";  // what is not open yet is verified when it is opened
  return release.source +
         " was never verified, and verify.key is set by now: upgrade to a release that is signed";
}

ReleaseSource ServiceRunner::wanted() const {
  return {.path = wanted_path_,
          .args = wanted_args_,
          .args_given = wanted_args_given_,
          .releases_dir = releases_dir(),
          .verify_key = config_.verify_key,
          .limits = {}};
}

std::string ServiceRunner::releases_dir() const {
  return config_.releases_dir.empty() ? default_releases_dir(host_.state, name())
                                      : config_.releases_dir;
}

// Which kind of failure it is that a release can't be had.
const char* ServiceRunner::failure_code(const Error& error) {
  switch (error.code) {
    case -EKEYREJECTED:
      return "signature";
    case -ENOSPC:
    case -EDQUOT:
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
      return "resources";
    default:
      return "open";
  }
}

std::optional<bool> ServiceRunner::drift(std::function<void(bool)> known) {
  const Process* process = current();
  const Release& release = process != nullptr ? *process->release : *release_;
  if (release.digest.empty()) {  // it could not be opened yet
    std::error_code ignored;
    return std::filesystem::exists(release.source, ignored);
  }
  return drift_.look(release, std::move(known));
}

}  // namespace handoff::supervisor
