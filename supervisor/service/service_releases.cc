#include "supervisor/service/service_releases.h"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <utility>

#include "supervisor/processes/adoption.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

bool is(const ReleasePtr& known, const Release& release) {
  return known && known->digest == release.digest && known->args == release.args;
}

// Which kind of failure it is that a release can't be had.
const char* failure_code(const Error& error) {
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

SpawnFailed not_opened(Generation generation, const Error& error) {
  return {generation, error.message, failure_code(error)};
}

}  // namespace

Party party_of(const Release& release, Generation generation) {
  return {release.name, generation, 0, release.digest, release.path};
}

json release_json(const Release& release) {
  json out{{"release", nullptr}, {"digest", release.digest}, {"path", release.path}};
  if (!release.name.empty()) out["release"] = release.name;
  return out;
}

SavedRelease saved_release(const Release& release) {
  SavedRelease out{release.path, release.args, release.digest,  release.name, release.source,
                   "",           "",           release.verified};
  if (release.folder) {
    out.folder = release.folder->path();
    out.tree = release.folder->tree();
  }
  return out;
}

ServiceReleases::ServiceReleases(const ServiceHost& host, const ServiceConfig& config,
                                 ReleasePtr release)
    : host_(host),
      config_(config),
      command_(config.command),
      running_(std::move(release)),
      drift_(host.loop) {}

// Of what could never be opened nothing is kept: it may have been a slip.
void ServiceReleases::reconfigured() {
  if (!never_opened()) return;
  running_ = unopened_release(config_.command);
  command_ = config_.command;
}

Wanted ServiceReleases::wanted(const std::string& path,
                               std::optional<std::vector<std::string>> args) const {
  Wanted out{.path = path.empty() ? running_->source : path,
             .args = running_->args,
             .args_given = args.has_value()};
  if (path.empty() && command_ != config_.command) {  // by a reload
    const std::string& program = config_.command.front();
    out.path = find_program(program).value_or(program);
    out.args.assign(config_.command.begin() + 1, config_.command.end());
    out.args_given = true;
  }
  if (args) out.args = std::move(*args);
  return out;
}

// A key that is set counts for whatever somebody asks to be started, also if it came by a reload.
std::string ServiceReleases::forbidden(Probation::Origin to) const {
  const Release* release = to == Probation::Origin::kSame   ? running_.get()
                           : to == Probation::Origin::kBack ? back_.get()
                                                            : nullptr;
  if (release == nullptr || config_.verify_key.empty() || !release->verified.empty()) return "";
  if (!release->file.valid()) return "";  // what is not open yet is verified when it is opened
  return release->source +
         " was never verified, and verify.key is set by now: upgrade to a release that is signed";
}

// ---- opening --------------------------------------------------------------------------------

std::string ServiceReleases::folder() const {
  return config_.releases_dir.empty() ? default_releases_dir(host_.state, config_.name)
                                      : config_.releases_dir;
}

void ServiceReleases::open(const Wanted& wanted, std::function<void(Event)> opened) {
  const std::uint64_t token = ++token_;
  ++opening_;
  obtain_release(host_.loop,
                 {.path = wanted.path,
                  .args = wanted.args,
                  .args_given = wanted.args_given,
                  .releases_dir = folder(),
                  .verify_key = config_.verify_key,
                  .limits = {}},
                 [this, token, opened = std::move(opened)](Result<ReleasePtr> release) {
                   --opening_;
                   if (token != token_) {
                     host_.changed();
                     return;  // of a request that was given up
                   }
                   opened(candidate_opened(std::move(release)));
                 });
}

Event ServiceReleases::candidate_opened(Result<ReleasePtr> opened) {
  if (!opened) return CandidateFailed{failure_code(opened.error()), opened.error().message};
  candidate_ = std::move(*opened);
  return CandidateReady{never_opened()              ? Probation::Origin::kFirst
                        : is(running_, *candidate_) ? Probation::Origin::kSame
                        : is(back_, *candidate_)    ? Probation::Origin::kBack
                                                    : Probation::Origin::kNew};
}

// The file is open since it ran: whatever has become of its path, it is what comes back.
Event ServiceReleases::open_back() {
  if (!back_) {
    return CandidateFailed{"no_release", "the release before can't be opened any more"};
  }
  candidate_ = back_;
  return CandidateReady{Probation::Origin::kBack};
}

// What could not be opened when the supervisor started may be there by now.
void ServiceReleases::open_to_spawn(const Spawn& spawn, std::function<bool()> wanted,
                                    std::function<void(std::optional<SpawnFailed>)> opened) {
  const Release& missing = *of(spawn);
  auto source = source_of(missing, config_);
  if (!source) return opened(not_opened(spawn.generation, source.error()));
  if (missing.source != missing.path) source->releases_dir = folder();
  ++opening_;
  obtain_release(host_.loop, std::move(*source),
                 [this, spawn, wanted = std::move(wanted),
                  opened = std::move(opened)](Result<ReleasePtr> release) {
                   --opening_;
                   if (!release) return opened(not_opened(spawn.generation, release.error()));
                   // Stopped meanwhile, or too late.
                   if (!wanted()) return opened(SpawnFailed{spawn.generation, "not wanted"});
                   ReleasePtr& place = spawn.candidate ? candidate_ : running_;
                   if (!place->digest.empty() && (*release)->digest != place->digest) {
                     spdlog::warn(
                         "{}: {} is not the file any more that ran: it is started as it is now",
                         config_.name, place->source);
                   }
                   place = std::move(*release);
                   opened(std::nullopt);
                 });
}

// ---- taking ---------------------------------------------------------------------------------

void ServiceReleases::take(Probation::Back back) {
  ReleasePtr before = std::exchange(running_, std::exchange(candidate_, nullptr));
  command_ = config_.command;
  switch (back) {
    case Probation::Back::kStays:
      break;
    case Probation::Back::kIsTheOneBefore:
      back_ = std::move(before);
      break;
    case Probation::Back::kIsEmpty:
      back_.reset();
      break;
  }
  keep_release(host_.loop, *running_);
}

void ServiceReleases::take_back() {
  if (!back_) return;
  did_not_pass_ = std::exchange(running_, std::exchange(back_, nullptr));
  command_ = config_.command;
}

// ---- from one supervisor to the next --------------------------------------------------------

void ServiceReleases::restore(SavedService& saved) {
  if (saved.command != config_.command) {  // the configuration names another by now, and it counts
    saved.machine.probation = {};
    return;
  }
  if (!saved.back) return;
  auto back = reopen_release(*saved.back, 0, config_.verify_key);
  if (back) {
    back_ = std::move(*back);
    return;
  }
  spdlog::warn("{}: it can't go back any more: {}", config_.name, back.error().message);
  saved.machine.probation = {};
}

void ServiceReleases::found(const ReleasePtr& release, bool candidate) {
  if (candidate) candidate_ = release;
  if (release->same_as(*running_) && may_run_again(*release, config_)) running_ = release;
}

void ServiceReleases::save(SavedService& saved, bool has_back) const {
  saved.command = command_;
  saved.release = saved_release(*running_);
  if (back_ && has_back) saved.back = saved_release(*back_);
}

std::optional<bool> ServiceReleases::drift(const Release& release,
                                           std::function<void(bool)> known) {
  if (release.digest.empty()) {  // it could not be opened yet
    std::error_code ignored;
    return std::filesystem::exists(release.source, ignored);
  }
  return drift_.look(release, std::move(known));
}

}  // namespace handoff::supervisor
