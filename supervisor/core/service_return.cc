// The part of Service that judges a provisional release and goes back from it.
#include <algorithm>

#include "supervisor/core/duration.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {

Generation Service::on_trial() const {
  return state_ == State::kRunning && probation_.provisional() ? current_ : 0;
}

void Service::on(const HealthHeard& heard, Time) {
  if (heard.generation == on_trial()) probation_.heard(heard.healthy, heard.why);
}

void Service::on(const CommitRequested&, Time) {
  if (auto refused = refusal()) {
    out_.push_back(*refused);
    return;
  }
  const bool already = !probation_.provisional();
  probation_.commit();
  out_.push_back(Committed{.by_itself = false, .already = already});
}

// After each event; while a handoff is under way its end is waited for.
void Service::judge(Time now) {
  if (!in_peace()) return;
  switch (probation_.verdict(policy_.probation, now, !progressive_.under_way())) {
    case Probation::Verdict::kOpen:
      return;
    case Probation::Verdict::kPassed:
      probation_.commit();
      out_.push_back(Committed{.by_itself = true, .already = false});
      return;
    case Probation::Verdict::kFailed:
      out_.push_back(ProbationFailed{current_, probation_.why()});
      go_back(now);
      return;
  }
}

void Service::go_back(Time) {
  by_itself_ = true;
  opening_ = true;
  rehearsal_ = false;
  request_shares_.clear();
  request_ = policy_.timeouts;
  request_.stall = std::min(request_.stall, kPatienceWithTheIll);
  out_.push_back(OpenBack{});
}

// The handoff back has failed, and this release was not to stay. One that can be spoken with is
// asked to finish; one that hangs is no use to its sessions, either.
void Service::end_to_go_back(const Report& report, Time now) {
  replacing_ = true;
  return_ = Return{probation_.why(), current_, sessions_};
  note(Note::Level::kError, "it can't hand over to the release before (" + report.message +
                                "): it is ended, and that release started on its listeners");
  if (report.code == "timeout" || report.code == "unreachable") {
    out_.push_back(Signal{current_, true});
    return;
  }
  kill_at_ = now + policy_.timeouts.drain;
  send_stop(now);
}

void Service::go_back_without_handoff(Generation gone, const std::string& how, Time now) {
  if (!return_) {
    return_ = Return{"it " + how, gone, sessions_};
    out_.push_back(ProbationFailed{gone, "it " + how});
  }
  out_.push_back(TakeBack{});
  probation_.went_back();
  if (std::exchange(replacing_, false)) {
    kill_at_.reset();
    start_fresh(false, now);
  } else {
    wait("it " + how + " on probation: back to the release before", now);
  }
}

}  // namespace handoff::supervisor
