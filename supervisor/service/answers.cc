#include "supervisor/service/answers.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "supervisor/core/duration.h"
#include "supervisor/host/wall_clock.h"
#include "supervisor/operators/plan_json.h"
#include "supervisor/service/service_status.h"

namespace handoff::supervisor {

using nlohmann::json;

Answers::Answers(const ServiceConfig& config, const Service& machine, ServiceReleases& releases,
                 const ProcessTable& processes, const Listeners& listeners, Telling& telling)
    : config_(config),
      name_(config.name),
      machine_(machine),
      releases_(releases),
      processes_(processes),
      listeners_(listeners),
      telling_(telling) {}

// ---- of the operation under way -------------------------------------------------------------

void Answers::opens(RequestId request, std::optional<Rehearsal> rehearsal) {
  under_way_ = UnderWay{.request = request,
                        .from = processes_.party(machine_.current()),
                        .rehearsal = std::move(rehearsal)};
}

void Answers::resumes(RequestId request, Party donor, Party heir) {
  under_way_ = UnderWay{.request = request,
                        .announced = true,
                        .began = now(),
                        .from = std::move(donor),
                        .to = std::move(heir)};
}

// A process that is started beside an operation, since the owner has died, is none of its two.
void Answers::starts(const Spawn& spawn, const ReleasePtr& release) {
  if (!under_way_ || !under_way_->announced) return;
  Party& to = under_way_->to;
  if (to.generation != 0 && to.generation != spawn.generation) return;
  under_way_->release = release;
  to = party_of(*release, spawn.generation);
  if (!spawn.rehearsal || !under_way_->rehearsal || !release->file.valid()) return;
  const Process* donor = processes_.owner();
  under_way_->rehearsal->weigh(donor != nullptr ? donor->pid : -1);
}

void Answers::started(const Spawn& spawn) {
  if (!under_way_ || under_way_->to.generation != spawn.generation) return;
  if (const Process* process = processes_.find(spawn.generation)) {
    under_way_->to.pid = process->pid;
  }
}

void Answers::take_findings(Generation generation, protocol::Rehearsed findings) {
  if (!under_way_ || findings.handoff_id != under_way_->to.generation) return;
  std::optional<Rehearsal>& rehearsal = under_way_->rehearsal;
  const bool heir = generation == under_way_->to.generation;
  if (rehearsal && (heir || generation == under_way_->from.generation)) {
    rehearsal->take_findings(heir, std::move(findings));
  }
}

// ---- what the machine says ------------------------------------------------------------------

void Answers::tell(const Announce& announce) {
  if (announce.begins && announce.phase == "start") {
    // A restart opens nothing: this is the first that is heard of it. Of a recovery that has failed
    // nothing was heard, either.
    if (!under_way_ || under_way_->request != announce.request || under_way_->announced) {
      under_way_ = UnderWay{.request = announce.request};
    }
    under_way_->announced = true;
    under_way_->began = now();
    if (machine_.upgrading()) under_way_->from = processes_.party(machine_.current());
    json event = announce_json(name_, announce, {});
    event["from"] = party_json(under_way_->from);
    telling_.send(under_way_->request, event);
    return;
  }
  if (!under_way_) return;
  json event = announce_json(name_, announce, now() - under_way_->began);
  if (announce.begins) {
    const Generation heir = under_way_->to.generation;
    spdlog::info("{}: {} to generation {}: {}", name_,
                 under_way_->rehearsal ? "rehearsal" : "handoff", heir, announce.phase);
    event["to"] = party_json(processes_.party(heir));
  }
  telling_.send(under_way_->request, event);
}

void Answers::tell(const Conclude& conclude) {
  UnderWay under_way = std::exchange(under_way_, std::nullopt).value_or(UnderWay{});
  const Report& report = conclude.report;
  Party& to = under_way.to;
  // Which files it has, and what it calls itself, is known since it has registered.
  if (const Process* process = processes_.find(to.generation)) under_way.release = process->release;
  if (under_way.release) {
    to.release = under_way.release->name;
    to.digest = under_way.release->digest;
  }
  if (report.rehearsal) return tell_plan(std::move(under_way), report);
  if (report.result == Report::Result::kDone) {
    spdlog::info("{}: release {} (generation {}) {}, {} sessions moved", name_, to.release,
                 to.generation, report.fresh ? "started" : "took over", report.moved);
  } else {
    spdlog::error("{}: handoff to generation {} {}: {} ({})", name_, to.generation,
                  report.result != Report::Result::kLost ? "failed"
                  : report.lost > 0                      ? "lost sessions"
                                                         : "may have lost sessions",
                  report.message, report.code);
  }
  json answer = report_json(name_, report, under_way.from, to);
  for (const core::LeftOut& one : report.left_out) {
    const Process* heir = processes_.find(to.generation);
    const bool dropped =
        heir != nullptr && std::ranges::find(heir->drops, one.name) != heir->drops.end();
    const Fate fate = fate_of(one, config_.unclaimed, listeners_.has(one.name), dropped);
    answer["left_out"].push_back(left_out_json(one, fate));
    spdlog::warn("{}: release {} does not claim all that there was: {}", name_, to.release,
                 supervisor::tell(one, fate));
  }
  telling_.remember(report.by_start ? Asker{.command = "start", .by_start = true}
                                    : telling_.asker(conclude.request),
                    answer);
  answer["state"] = machine_.state_name();
  answer.update(standing_json(machine_, releases_));
  telling_.finish(conclude.request, answer);
}

void Answers::tell_plan(UnderWay under_way, const Report& report) {
  Rehearsal rehearsal = std::move(under_way.rehearsal).value_or(Rehearsal({}, config_, {}));
  const Plan plan = rehearsal.conclude(name_, report, under_way.to, telling_.last_upgrade());
  spdlog::info("{}: rehearsed generation {}: {}", name_, under_way.to.generation, plan.sentence);
  json answer = plan_json(name_, plan, report, under_way.from, under_way.to);
  const json record = plan_record(answer);
  telling_.record_plan(
      under_way.request, record,
      [this, answer, request = under_way.request](const Result<void>& recorded) mutable {
        if (!recorded) {
          // No upgrade is begun that could not be told afterwards.
          const json problem{{"code", "history"}, {"message", recorded.error().message}};
          answer["problems"].push_back(problem);
          answer["sentence"] =
              "An upgrade of " + name_ +
              " would be refused, and its users would notice nothing: " + recorded.error().message +
              ".";
          answer["error"] = problem;
          answer["result"] = "failed";
        }
        answer["state"] = machine_.state_name();
        telling_.finish(request, answer);
      });
}

void Answers::tell(const Refuse& refuse) {
  spdlog::warn("{}: {} refused: {}", name_, refuse.rehearsal ? "plan" : "upgrade", refuse.message);
  json answer = refusal_json(name_, refuse.code, refuse.message);
  if (refuse.rehearsal) {
    telling_.record_plan(refuse.request, plan_record(answer), [](const Result<void>&) {});
  } else {
    json what = answer;
    what["event"] = "refused";
    telling_.record(telling_.asker(refuse.request), std::move(what));
  }
  answer["state"] = machine_.state_name();
  if (under_way_ && under_way_->request == refuse.request) {
    releases_.give_up();
    under_way_.reset();
  }
  telling_.finish(refuse.request, answer);
}

void Answers::tell(const Unchanged& unchanged) {
  under_way_.reset();
  json answer{{"event", "done"},
              {"result", "done"},
              {"service", name_},
              {"already", true},
              {"to", party_json(processes_.party(machine_.current()))},
              {"error", nullptr}};
  answer.update(standing_json(machine_, releases_));
  json record = answer;
  record["event"] = "unchanged";
  telling_.record(telling_.asker(unchanged.request), std::move(record));
  answer["state"] = machine_.state_name();
  telling_.finish(unchanged.request, answer);
}

// ---- probation ------------------------------------------------------------------------------

void Answers::tell(const Committed& committed) {
  const Release& release = releases_.running();
  if (committed.by_itself) {
    spdlog::info("{}: release {} has passed its probation and is permanent", name_, release.name);
  } else if (!committed.already) {
    spdlog::info("{}: release {} was committed and is permanent", name_, release.name);
  }
  if (!committed.already) {
    Party to = party_of(release, machine_.current());
    if (const Process* process = processes_.owner()) to.pid = process->pid;
    const Asker asker =
        committed.by_itself ? Asker{.by_itself = true} : telling_.asker(committed.request);
    telling_.record(asker, {{"event", "committed"}, {"result", "done"}, {"to", party_json(to)}});
  }
  if (committed.by_itself) return;
  json answer{{"event", "done"}, {"result", "done"}, {"service", name_}, {"error", nullptr}};
  answer["already"] = committed.already;
  answer.update(release_json(release));
  answer.update(standing_json(machine_, releases_));
  telling_.finish(committed.request, answer);
}

void Answers::tell(const ProbationFailed& failed) {
  const Release& release = releases_.running();
  spdlog::error("{}: release {} (generation {}) did not pass its probation: {}", name_,
                release.name, failed.generation, failed.why);
  telling_.record({.by_itself = true},
                  {{"event", "probation_failed"},
                   {"result", "failed"},
                   {"from", party_json(party_of(release, failed.generation))},
                   {"error", {{"code", "probation"}, {"message", failed.why}}}});
}

// The log has it from the process's end.
void Answers::tell(const Crashed& crashed) {
  const Party from = party_of(releases_.running(), crashed.generation);
  telling_.record({.by_service = true},
                  {{"event", "crash"},
                   {"result", crashed.sessions == 0 ? "failed" : "lost"},
                   {"from", party_json(from)},
                   {"sessions", {{"moved", 0}, {"waiting", 0}, {"lost", crashed.sessions}}},
                   {"error", {{"code", "exited"}, {"message", "it " + crashed.how}}}});
}

void Answers::tell(const Left& left) {
  const Party from = party_of(releases_.running(), left.generation);
  telling_.record({.by_service = true},
                  {{"event", "left"},
                   {"result", "done"},
                   {"from", party_json(from)},
                   {"sessions", {{"moved", 0}, {"waiting", 0}, {"lost", left.sessions}}},
                   {"why", left.why}});
}

void Answers::tell(const OtherRelease& other) {
  spdlog::warn("{}: generation {}: {}", name_, other.generation, other.message);
  telling_.record({.by_start = true},
                  {{"event", "other_release"},
                   {"result", "done"},
                   {"from", release_json(releases_.running())},
                   {"to", party_json(processes_.party(other.generation))},
                   {"error", {{"code", "other_release"}, {"message", other.message}}}});
}

void Answers::tell(const WentBack& back) {
  const Party to = processes_.party(back.to);
  spdlog::error("{}: back to release {} (generation {}) by a start; {} sessions were lost", name_,
                to.release, back.to, back.lost);
  Party from{.generation = back.from};
  if (const ReleasePtr gone = releases_.did_not_pass()) from = party_of(*gone, back.from);
  telling_.record({.command = "rollback", .by_itself = true},
                  {{"event", "went_back"},
                   {"result", back.lost == 0 ? "done" : "lost"},
                   {"from", party_json(from)},
                   {"to", party_json(to)},
                   {"sessions", {{"moved", 0}, {"waiting", 0}, {"lost", back.lost}}},
                   {"error", {{"code", "probation"}, {"message", back.why}}}});
}

// A handoff from whoever died, as far as anybody needs to know: the reader of its vault is a means.
void Answers::tell(const Recovered& recovered) {
  const UnderWay under_way = std::exchange(under_way_, std::nullopt).value_or(UnderWay{});
  const Recovery& from = recovered.from;
  Party to = under_way.to;
  if (const Process* process = processes_.find(to.generation)) to.release = process->release->name;
  json record = report_json(name_, recovered.report, party_of(releases_.running(), from.of), to);
  std::string why = "it " + from.how;
  if (!recovered.report.message.empty()) why += "; " + recovered.report.message;
  record["event"] = "recovery";
  record["took_us"] = to_us(recovered.took);
  record["tries"] = from.tries;
  record["error"] = {{"code", "exited"}, {"message", why}};
  last_recovery_ = record;
  for (const char* key : {"event", "service"}) last_recovery_.erase(key);
  last_recovery_["at"] = utc(std::chrono::system_clock::now());
  const bool all = recovered.report.lost + recovered.report.closed == 0;
  spdlog::log(all ? spdlog::level::warn : spdlog::level::err,
              "{}: {}: {} sessions go on in generation {}, {} after that; {} were lost, {} reset",
              name_, why, recovered.report.moved, to.generation, format_duration(recovered.took),
              recovered.report.lost, recovered.report.closed);
  for (const Unmoved& one : recovered.report.unmoved) {
    spdlog::error("{}: session {}{} was reset: {}", name_, one.session,
                  one.peer.empty() ? "" : " of " + one.peer, one.reason);
  }
  telling_.record({.by_service = true}, std::move(record));
}

void Answers::tell(const Note& note) {
  const auto level = note.level == Note::Level::kError     ? spdlog::level::err
                     : note.level == Note::Level::kWarning ? spdlog::level::warn
                                                           : spdlog::level::info;
  notes_.tell(level, name_, note.text);
}

}  // namespace handoff::supervisor
