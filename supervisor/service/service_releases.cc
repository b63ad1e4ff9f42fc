#include "supervisor/service/service_releases.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "supervisor/base/shortage.h"
#include "supervisor/core/claim.h"
#include "supervisor/releases/kept_releases.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

bool is(const ReleasePtr& known, const Release& release) {
  return known && known->digest == release.digest && known->args == release.args;
}

// Which kind of failure it is that a release can't be had.
const char* failure_code(const Error& error) {
  if (error.code == -EKEYREJECTED) return "signature";
  return remedy_for_shortage(error.code).empty() ? "open" : "resources";
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

Wanted configured(const ServiceConfig& config) {
  const std::string& program = config.command.front();
  return {.path = find_program(program).value_or(program),
          .args = {config.command.begin() + 1, config.command.end()},
          .args_given = true};
}

std::string words_of(const Release& release) {
  std::string out = release.source;
  for (const std::string& arg : release.args) out += " " + arg;
  return out;
}

ServiceReleases::ServiceReleases(const ServiceHost& host, const ServiceConfig& config,
                                 ReleasePtr release)
    : host_(host),
      config_(config),
      command_(config.command),
      program_(configured(config).path),
      running_(std::move(release)),
      reopening_(host.loop),
      drift_(host.loop) {}

void ServiceReleases::chosen_now() {
  command_ = config_.command;
  program_ = configured(config_).path;
}

// Of what could never be opened nothing is kept: it may have been a slip.
void ServiceReleases::reconfigured() {
  if (!never_opened()) return;
  running_ = unopened_release(config_.command);
  chosen_now();
}

Wanted ServiceReleases::wanted(Named named) const {
  Wanted out{.path = named.path.empty() ? running_->source : named.path,
             .args = running_->args,
             .args_given = named.args.has_value()};
  if (named.path.empty() && command_changed()) {  // by a reload
    out = configured(config_);
  }
  if (named.args) out.args = std::move(*named.args);
  out.allow_downgrade = named.allow_downgrade;
  return out;
}

bool ServiceReleases::is_configured(const ServiceConfig& config) const {
  const Wanted names = configured(config);
  return running_->source == names.path && running_->args == names.args;
}

void ServiceReleases::tell_if_chosen() const {
  if (is_configured(config_)) return;
  spdlog::warn(
      "{0}: what runs is {1}, as it was chosen; the configuration names {2} (`handoff upgrade "
      "--config {0}` returns to that)",
      config_.name, words_of(*running_), configured(config_).path);
}

std::optional<Wanted> ServiceReleases::named() const {
  if (never_opened()) return std::nullopt;
  const Wanted names = configured(config_);
  const bool other = running_->source != program_ || running_->args != names.args;
  const bool chosen = other && !command_changed();
  if (chosen && !config_.release_from_config) return std::nullopt;
  return names;
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

Reopen ServiceReleases::reopen_of(SavedRelease saved, ReleasePtr open) const {
  return {.saved = std::move(saved),
          .pid = 0,
          .open = std::move(open),
          .verify_key = config_.verify_key,
          .signed_for = config_.signed_for(),
          .kept = KeptReleases::folder_of(host_.state, config_.name)};
}

Failure ServiceReleases::not_what_ran(const Error& error) const {
  return fail(error.code, error.message + "; `handoff upgrade " + config_.name +
                              "` starts what lies there now");
}

// A wrapper of the same bytes is the same release only with the same program behind it.
std::vector<Behind> ServiceReleases::known_behind() const {
  std::vector<Behind> out{behind_of(*running_)};
  if (back_) out.push_back(behind_of(*back_));
  return out;
}

void ServiceReleases::open(const Wanted& wanted, bool cold, std::function<void(Event)> opened) {
  const std::uint64_t token = ++token_;
  ++opening_;
  obtain_release(host_.loop,
                 {.path = wanted.path,
                  .args = wanted.args,
                  .args_given = wanted.args_given,
                  .releases_dir = folder(),
                  .verify_key = config_.verify_key,
                  .signed_for = config_.signed_for(),
                  .limits = {},
                  .files = rules_of(config_),
                  .behind = known_behind()},
                 [this, token, cold, allow = wanted.allow_downgrade,
                  opened = std::move(opened)](Result<ReleasePtr> release) {
                   // What ran before may be gone back to if it can be opened.
                   reopening_.when_done(running_, [this, token, cold, allow, opened, release] {
                     --opening_;
                     if (token != token_) {
                       host_.changed();
                       return;  // of a request that was given up
                     }
                     opened(candidate_opened(release, cold, allow));
                   });
                 });
}

// Why what is signed may not follow what runs; "" if it may. What runs may have been signed without
// a version, or not at all: then what it has called itself counts.
std::string ServiceReleases::downgrade(const Release& candidate, bool cold) const {
  if (candidate.signed_version.empty() || never_opened()) return "";
  const std::string& before =
      running_->signed_version.empty() ? running_->name : running_->signed_version;
  const std::string why =
      downgrade_problem(candidate.signed_version, before, cold ? "ran" : "runs");
  return why.empty() ? "" : candidate.source + " " + why + kDowngradeAdvice;
}

Event ServiceReleases::candidate_opened(Result<ReleasePtr> opened, bool cold,
                                        bool allow_downgrade) {
  if (!opened) return CandidateFailed{failure_code(opened.error()), opened.error().message};
  if (!allow_downgrade && !is(running_, **opened) && !is(back_, **opened)) {
    if (const auto why = downgrade(**opened, cold); !why.empty()) {
      return CandidateFailed{"downgrade", why};
    }
  }
  candidate_ = std::move(*opened);
  // Nobody could go back to what can't be opened any more.
  const bool same = is(running_, *candidate_);
  const bool back = !same && is(back_, *candidate_);
  // What a process of these files has said before.
  if (same || back) {
    const Release& known = same ? *running_ : *back_;
    candidate_->name = known.name;
    candidate_->claims = known.claims;
    candidate_->manifest = known.manifest;
  }
  return CandidateReady{never_opened() || (cold && !running_->file.valid())
                            ? Probation::Origin::kFirst
                        : same ? Probation::Origin::kSame
                        : back ? Probation::Origin::kBack
                               : Probation::Origin::kNew,
                        same && candidate_->source == running_->source};
}

// The file is open since it ran: whatever has become of its path, it is what comes back.
Event ServiceReleases::open_back() {
  if (!back_) {
    return CandidateFailed{"no_release", "the release before can't be opened any more"};
  }
  candidate_ = back_;
  return CandidateReady{Probation::Origin::kBack};
}

// What could not be opened when the supervisor started may be there by now. What was opened, and
// has been touched since, is looked at again.
void ServiceReleases::open_to_spawn(const Spawn& spawn, std::function<bool()> wanted,
                                    std::function<void(std::optional<SpawnFailed>)> opened) {
  auto done = [this, spawn, wanted = std::move(wanted),
               opened = std::move(opened)](Result<ReleasePtr> release) {
    --opening_;
    if (!release) return opened(not_opened(spawn.generation, release.error()));
    // Stopped meanwhile, or too late.
    if (!wanted()) return opened(SpawnFailed{spawn.generation, "not wanted"});
    if (!spawn.candidate && never_opened()) chosen_now();
    (spawn.candidate ? candidate_ : running_) = std::move(*release);
    opened(std::nullopt);
  };
  ++opening_;
  reopening_.when_done(of(spawn), [this, spawn, done = std::move(done)] {
    if (ready(spawn)) return done(of(spawn));
    open_missing(spawn, done);
  });
}

void ServiceReleases::open_missing(const Spawn& spawn,
                                   const std::function<void(Result<ReleasePtr>)>& done) {
  const ReleasePtr missing = of(spawn);
  if (!missing->digest.empty()) {
    reopen_release(host_.loop, reopen_of(saved_release(*missing), missing),
                   [this, missing, done](Result<ReleasePtr> release) {
                     if (release) return done(std::move(release));
                     unpack_again(missing, release.error(), done);
                   });
    return;
  }
  auto source = source_of(*missing, config_);
  if (!source) return done(Failure(source.error()));
  if (missing->source != missing->path) source->releases_dir = folder();
  obtain_release(host_.loop, std::move(*source), done);
}

// Of a bundle whose folder is gone the bundle may be left; of a program nothing is.
void ServiceReleases::unpack_again(const ReleasePtr& ran, const Error& why,
                                   const std::function<void(Result<ReleasePtr>)>& done) {
  auto source = source_of(*ran, config_);
  if (!ran->in_bundle() || !source) return done(not_what_ran(why));
  source->releases_dir = folder();
  // As which service and version was looked at when it first ran (reopen.cc).
  const bool known = !ran->verified.empty();
  if (known) source->signed_for.clear();
  obtain_release(host_.loop, std::move(*source),
                 [this, why, done, ran, known](Result<ReleasePtr> again) {
                   if (!again || (*again)->digest != ran->digest) return done(not_what_ran(why));
                   (*again)->name = ran->name;
                   (*again)->claims = ran->claims;
                   (*again)->manifest = ran->manifest;
                   if (known) (*again)->signed_version = ran->signed_version;
                   done(std::move(again));
                 });
}

// ---- taking ---------------------------------------------------------------------------------

void ServiceReleases::take(Probation::Back back) {
  ReleasePtr before = std::exchange(running_, std::exchange(candidate_, nullptr));
  chosen_now();
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

void ServiceReleases::runs(const Process* owner) {
  if (owner != nullptr && owner->another) running_ = owner->release;
}

void ServiceReleases::take_back() {
  if (!back_) return;
  did_not_pass_ = std::exchange(running_, std::exchange(back_, nullptr));
  chosen_now();
}

// ---- from one supervisor to the next --------------------------------------------------------

void ServiceReleases::restore(const SavedService& saved) {
  command_ = saved.command;  // as after a reload, if the configuration names another by now
  if (!saved.program.empty()) program_ = saved.program;
  if (saved.back) back_ = unopened_release(*saved.back);
  // What an orphan runs is found out after this object was made.
  if (saved.release.digest.empty()) return;
  if (ReleasePtr ran = unopened_release(saved.release); !ran->same_as(*running_)) running_ = ran;
}

void ServiceReleases::reopen(std::map<ReleasePtr, pid_t> runs,
                             const std::function<void(bool back_lost)>& done) {
  std::map<ReleasePtr, pid_t> all = runs;
  for (const ReleasePtr& known : {running_, candidate_, back_}) {
    if (!known) continue;
    const auto its = std::ranges::find_if(
        runs, [&known](const auto& process) { return process.first->same_as(*known); });
    all.emplace(known, its == runs.end() ? 0 : its->second);
  }
  // What its process runs can't be seen: it is taken for what the configuration names.
  if (const auto source = source_of(*running_, config_);
      never_opened() && !runs.empty() && source) {
    ++opening_;
    obtain_release(host_.loop, *source, [this, known = running_, done](Result<ReleasePtr> release) {
      --opening_;
      if (release) *known = std::move(**release);
      done(false);
    });
  }
  for (const auto& [known, pid] : all) {
    if (known->digest.empty() || known->file.valid()) continue;
    Reopen from = reopen_of(saved_release(*known), nullptr);
    from.pid = pid;
    reopening_.begin(
        known, std::move(from), [this, release = known, done](const Result<void>& opened) {
          const bool back_lost = !opened && release == back_;
          if (!opened) {
            spdlog::warn(
                "{}: {}: {}", config_.name,
                back_lost ? "it can't go back any more" : "it can't be started again as it is",
                opened.error().message);
          }
          if (back_lost) back_.reset();
          done(back_lost);
        });
  }
}

Keeper::Choice ServiceReleases::chosen(const Service& machine) const {
  Keeper::Choice out{.running = running_,
                     .back = machine.probation().has_back() ? back_ : nullptr,
                     .running_name = running_->name,
                     .back_name = {},
                     .running_digest = running_->digest,
                     .back_digest = {},
                     .command = command_,
                     .program = program_,
                     .probation = machine.probation().saved(),
                     .rest = machine.rest()};
  if (!out.back) return out;
  out.back_name = out.back->name;
  out.back_digest = out.back->digest;
  return out;
}

void ServiceReleases::found(const ReleasePtr& release, bool candidate) {
  if (candidate) candidate_ = release;
  if (release->same_as(*running_) && may_run_again(*release, config_)) running_ = release;
}

void ServiceReleases::save(SavedService& saved, bool has_back) const {
  saved.command = command_;
  saved.program = program_;
  saved.release = saved_release(*running_);
  if (back_ && has_back) saved.back = saved_release(*back_);
}

std::optional<bool> ServiceReleases::drift(const Release& release,
                                           std::function<void(bool)> known) {
  if (release.digest.empty()) {  // it could not be opened yet
    std::error_code ignored;
    return std::filesystem::exists(release.source, ignored);
  }
  return drift_.look(release, rules_of(config_), std::move(known));
}

}  // namespace handoff::supervisor
