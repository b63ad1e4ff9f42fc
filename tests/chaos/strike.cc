#include "strike.h"

#include <csignal>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "support/process/proc.h"

namespace chaos {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// How long a process is stopped. The blow is that time, so no event can replace it.
constexpr auto kSlowFor = 100ms;  // well below the freeze budget of Supervision
// Longer than what donor, heir and supervisor wait for each other with Supervision's timers.
constexpr auto kStopFor = 4500ms;
// Without a supervisor nobody finds out that a process hangs, so it need not hang for long.
constexpr auto kOrphansHangFor = 1500ms;

// When the supervisor concluded that the new release had taken over, by its own account.
std::optional<Clock::time_point> told_at(const json& done) {
  if (!done.is_object() || !done.contains("at_ns") || !done.contains("phases_us")) return {};
  const std::int64_t running = done["at_ns"].value("running", std::int64_t{0});
  if (running == 0) return {};
  const std::int64_t retire = done["phases_us"].value("retire", std::int64_t{0});
  return Clock::time_point(std::chrono::nanoseconds(running) + std::chrono::microseconds(retire));
}

class Strike {
 public:
  explicit Strike(Stage& stage) : stage_(stage) {}

  Struck run() {
    find_victims();
    hit();
    await_outcome();
    return out_;
  }

 private:
  void find_victims();
  void hit();
  void await_outcome();
  void resume_all();

  Stage& stage_;
  Struck out_;
  std::vector<std::pair<pid_t, handoff::UniqueFd>> victims_;
};

// Until the heir is executed it has its parent's environment, so its generation can't be read
// there.
void Strike::find_victims() {
  for (const pid_t pid : stage_.supervision.services()) {
    if (pid != stage_.donor && generation_of(pid) <= 2) stage_.heir = pid;
  }
  const auto add = [this](bool wanted, pid_t pid, const char* who) {
    if (!wanted) return;
    if (pid == 0 || !is_running(pid)) throw NotApplicable{std::string("no ") + who + " then"};
    victims_.emplace_back(pid, test::hold(pid));
  };
  // The supervisor first: it must not live to see and tell the others' end.
  const Victim victim = stage_.cell.victim;
  add(has_supervisor(victim), stage_.supervision.pid(), "supervisor");
  add(has_donor(victim), stage_.donor, "donor");
  add(has_heir(victim), stage_.heir, "heir");
}

void Strike::hit() {
  const bool kills = stage_.cell.blow == Blow::kKill;
  for (const auto& [pid, handle] : victims_) ::kill(pid, kills ? SIGKILL : SIGSTOP);
  for (const auto& [pid, handle] : victims_) {
    const auto stopped = [target = pid] {
      const char state = test::process_state(target);
      return state == 'T' || state == '\0' || state == 'Z';
    };
    const bool struck = kills ? test::wait_end(handle, test::Deadline::in(kPatience))
                              : stage_.wait_until(stopped, kPatience);
    if (!struck) throw Problem{"the victim does not take the blow"};
  }
  out_.at = Clock::now();
  if (has_donor(stage_.cell.victim)) {
    const bool heir_gone = stage_.heir == 0 || !is_running(stage_.heir);
    out_.over = heir_gone && stage_.point != nullptr && stage_.point->gave_up;
  } else {
    out_.over = stage_.point != nullptr && stage_.point->said;
  }
  stage_.let_go();
  if (stage_.cell.blow == Blow::kSlow) {
    stage_.wait_until([&] { return Clock::now() >= out_.at + kSlowFor; }, kPatience);
    for (const auto& [pid, handle] : victims_) ::kill(pid, SIGCONT);
  }
}

// Resumes every process that the blow or the provocation has stopped.
void Strike::resume_all() {
  for (const pid_t pid : {stage_.donor, stage_.heir, stage_.supervision.pid()}) {
    if (pid == 0 || test::process_state(pid) != 'T') continue;
    ::kill(pid, SIGCONT);
    out_.woken_at = Clock::now();
  }
}

void Strike::await_outcome() {
  const bool timed = stage_.cell.blow == Blow::kStop && has_supervisor(stage_.cell.victim);
  bool resumed = false;
  stage_.require(
      [&] {
        const bool over = !stage_.upgrade->running();
        const auto since = Clock::now() - out_.at;
        const bool time = timed ? since >= kStopFor
                                : over && (stage_.supervisor_lives() || since >= kOrphansHangFor);
        if (time && !resumed) {
          resumed = true;
          resume_all();
        }
        return over && resumed;
      },
      "handoff upgrade does not end");
  const test::Outcome upgrade = stage_.upgrade->finish();
  out_.status = upgrade.status;
  const std::string& out = upgrade.out;
  const std::size_t begin = out.rfind('\n', out.size() < 2 ? 0 : out.size() - 2);
  const json done =
      json::parse(out.substr(begin == std::string::npos ? 0 : begin + 1), nullptr, false);
  if (done.is_object() && done.contains("sessions")) {
    out_.reported = done["sessions"].value("lost", std::int64_t{0});
    out_.waiting = done["sessions"].value("waiting", std::int64_t{0});
  }
  out_.told_at = told_at(done);
}

}  // namespace

Struck strike(Stage& stage) { return Strike(stage).run(); }

}  // namespace chaos
