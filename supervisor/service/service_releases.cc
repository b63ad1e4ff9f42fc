// The part of ServiceRunner that has releases: the one that runs, the one that is tried, the one to
// go back to; and the probation of the first.
#include <spdlog/spdlog.h>

#include <utility>

#include "supervisor/host/wall_clock.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr Duration kCensusEvery = std::chrono::seconds(1);

json release_json(const Release& release) {
  json out{{"release", nullptr}, {"digest", release.digest}, {"path", release.path}};
  if (!release.name.empty()) out["release"] = release.name;
  return out;
}

bool is(const ReleasePtr& known, const Release& release) {
  return known && known->digest == release.digest && known->args == release.args;
}

}  // namespace

// ---- opening, taking
// -----------------------------------------------------------------------------

void ServiceRunner::apply(const OpenCandidate&) {
  if (asking_ != nullptr) follower_ = *asking_;
  plan_ = std::exchange(wanted_plan_, std::nullopt);
  const std::uint64_t token = ++open_token_;
  ++opening_;
  obtain_release(host_.loop, wanted(), [this, token](Result<ReleasePtr> opened) {
    --opening_;
    if (token != open_token_) {
      host_.changed();
      return;  // of a request that was given up
    }
    release_known(std::move(opened));
  });
}

void ServiceRunner::release_known(Result<ReleasePtr> opened) {
  if (!opened) {
    feed(CandidateFailed{failure_code(opened.error()), opened.error().message});
    return;
  }
  candidate_ = std::move(*opened);
  const Probation::Origin origin = release_->digest.empty()    ? Probation::Origin::kFirst
                                   : is(release_, *candidate_) ? Probation::Origin::kSame
                                   : is(back_, *candidate_)    ? Probation::Origin::kBack
                                                               : Probation::Origin::kNew;
  feed(CandidateReady{origin});
}

// The file is open since it ran: whatever has become of its path, it is what comes back.
void ServiceRunner::apply(const OpenBack&) {
  plan_.reset();
  if (asking_ != nullptr) {
    follower_ = *asking_;
  } else {
    command_ = "rollback";
    by_itself_ = true;
  }
  if (!back_) {
    feed(CandidateFailed{"no_release", "the release before can't be opened any more"});
    return;
  }
  candidate_ = back_;
  feed(CandidateReady{Probation::Origin::kBack});
}

// What could not be opened when the supervisor started may be there by now.
void ServiceRunner::open_to_spawn(const Spawn& spawn) {
  const Release& missing = spawn.candidate ? *candidate_ : *release_;
  to_ = {.generation = spawn.generation, .path = missing.path};
  auto source = source_of(missing, config_);
  if (!source) return feed(not_opened(spawn.generation, source.error()));
  if (missing.source != missing.path) source->releases_dir = releases_dir();
  ++opening_;
  obtain_release(host_.loop, std::move(*source), [this, spawn](Result<ReleasePtr> opened) {
    --opening_;
    if (!opened) return feed(not_opened(spawn.generation, opened.error()));
    // Stopped meanwhile, or too late.
    if (!machine_.awaits(spawn.generation))
      return feed(SpawnFailed{spawn.generation, "not wanted"});
    ReleasePtr& release = spawn.candidate ? candidate_ : release_;
    if (!release->digest.empty() && (*opened)->digest != release->digest) {
      spdlog::warn("{}: {} is not the file any more that ran: it is started as it is now", name(),
                   release->source);
    }
    release = std::move(*opened);
    start_process(spawn);
    host_.changed();
  });
}

SpawnFailed ServiceRunner::not_opened(Generation generation, const Error& error) {
  return {generation, error.message, failure_code(error)};
}

void ServiceRunner::apply(const TakeCandidate& take) {
  ReleasePtr before = std::exchange(release_, std::exchange(candidate_, nullptr));
  release_command_ = config_.command;
  switch (take.back) {
    case Probation::Back::kStays:
      break;
    case Probation::Back::kIsTheOneBefore:
      back_ = std::move(before);
      break;
    case Probation::Back::kIsEmpty:
      back_.reset();
      break;
  }
  keep_release(host_.loop, *release_);
}

void ServiceRunner::apply(const TakeBack&) {
  if (!back_) return;
  did_not_pass_ = std::exchange(release_, std::exchange(back_, nullptr));
  release_command_ = config_.command;
}

void ServiceRunner::apply(const DropCandidate&) { candidate_.reset(); }

// What the supervisor before this one knew; a release to go back to whose file is gone is none.
void ServiceRunner::take_up_releases(SavedService& saved) {
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
  spdlog::warn("{}: it can't go back any more: {}", name(), back.error().message);
  saved.machine.probation = {};
}

// ---- probation
// -----------------------------------------------------------------------------------

void ServiceRunner::look_after_trial() {
  const Process* process = find(machine_.on_trial());
  if (process == nullptr) {
    health_.watch(0, -1, "");
    census_.at(std::nullopt);
    counting_ = 0;
    return;
  }
  if (std::exchange(counting_, process->generation) != process->generation) {
    census_.at(now() + kCensusEvery);
  }
  std::string address;
  for (const Listener* listener : listeners_.here()) {
    const bool meant = config_.health.listener.empty()
                           ? address.empty()
                           : listener->name() == config_.health.listener;
    if (meant) address = listener->address();
  }
  health_.watch(process->generation, process->pid, address);
}

// Should it die, that is what was lost.
void ServiceRunner::take_census() {
  if (machine_.on_trial() == 0) return;
  (void)count_sessions([](std::uint64_t) {});  // heard() feeds what comes of it
  census_.at(now() + kCensusEvery);
}

void ServiceRunner::apply(const Committed& committed) {
  if (committed.by_itself) {
    spdlog::info("{}: release {} has passed its probation and is permanent", name(),
                 release_->name);
  } else if (!committed.already) {
    spdlog::info("{}: release {} was committed and is permanent", name(), release_->name);
  }
  json answer{{"event", "done"}, {"result", "done"}, {"service", name()}, {"error", nullptr}};
  answer["already"] = committed.already;
  answer.update(release_json(*release_));
  answer.update(standing());
  if (!committed.already) {
    by_itself_ = committed.by_itself;
    command_ = committed.by_itself ? "" : "commit";
    Party to{release_->name, machine_.current(), 0, release_->digest, release_->path};
    if (const Process* process = current()) to.pid = process->pid;
    record({{"event", "committed"}, {"result", "done"}, {"to", party_json(to)}});
  }
  if (asking_ == nullptr) return;
  if (const auto client = asking_->lock()) client->finish(answer);
}

void ServiceRunner::apply(const ProbationFailed& failed) {
  spdlog::error("{}: release {} (generation {}) did not pass its probation: {}", name(),
                release_->name, failed.generation, failed.why);
  by_itself_ = true;
  command_.clear();
  const Party from{release_->name, failed.generation, 0, release_->digest, release_->path};
  record({{"event", "probation_failed"},
          {"result", "failed"},
          {"from", party_json(from)},
          {"error", {{"code", "probation"}, {"message", failed.why}}}});
}

void ServiceRunner::apply(const WentBack& back) {
  spdlog::error("{}: back to release {} (generation {}) by a start; {} sessions were lost", name(),
                release_->name, back.to, back.lost);
  by_itself_ = true;
  command_ = "rollback";
  Party from{.generation = back.from};
  if (const ReleasePtr gone = std::exchange(did_not_pass_, nullptr)) {
    from = {gone->name, back.from, 0, gone->digest, gone->path};
  }
  json what{{"event", "went_back"},
            {"result", back.lost == 0 ? "done" : "lost"},
            {"from", party_json(from)},
            {"to", party_json(party(back.to))},
            {"sessions", {{"moved", 0}, {"waiting", 0}, {"lost", back.lost}}},
            {"error", {{"code", "probation"}, {"message", back.why}}}};
  record(std::move(what));
}

json ServiceRunner::standing() const {
  const Probation& probation = machine_.probation();
  json out{{"standing", probation.provisional() ? "provisional" : "permanent"},
           {"probation_left_ms", nullptr},
           {"back", nullptr}};
  if (const auto until = probation.saved().until) {
    const auto left = std::max(*until - now(), Duration{});
    out["probation_left_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  }
  if (probation.has_back() && back_) out["back"] = release_json(*back_);
  return out;
}

}  // namespace handoff::supervisor
