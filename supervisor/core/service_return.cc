// The part of Service that judges a provisional release and goes back from it.
#include <algorithm>

#include "supervisor/core/service.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kOneWay =
    "; it was upgraded to one-way, so unless that has changed the release before is started from "
    "nothing, and the sessions end";

}  // namespace

// A release that could not be taken back is a decision of the operator's, made before it has
// anything. A release that goes back needs no way back, one that is the same has it, and beside one
// that was never opened nobody goes back. One that comes back to a later supervisor was let in, and
// if it is one-way, that was wanted.
bool Service::refuses_one_way(const Registered& registered, Time now) {
  Handoff* handoff = operation_.handoff();
  if (handoff == nullptr || handoff->upgrade.heir() != registered.generation) return false;
  const bool is_new = handoff->candidate == Probation::Origin::kNew;
  if (!is_new) return false;
  if (registered.returning || handoff->request.one_way || handoff->upgrade.rehearsal()) {
    if (handoff->one_way.empty()) handoff->one_way = registered.one_way;  // a plan says so
    return false;
  }
  follow(*handoff, handoff->upgrade.turn_away(Upgrade::kOneWay, registered.one_way, now), now);
  return true;
}

Generation Service::on_trial() const {
  return state() == State::kRunning && probation_.provisional() ? current() : 0;
}

void Service::on(const HealthHeard& heard, Time) {
  Handoff* handoff = operation_.handoff();
  if (handoff != nullptr && handoff->upgrade.heir() == heard.generation) handoff->health = heard;
  if (heard.generation == on_trial()) probation_.heard(heard.healthy, heard.why);
}

void Service::on(const Asked& asked, Time now) {
  if (asked.generation == on_trial()) probation_.asked(now);
}

void Service::on(const CommitRequested& request, Time) {
  if (auto refused = refusal()) {
    refused->request = request.id;
    out_.push_back(*refused);
    return;
  }
  const bool already = !probation_.provisional();
  probation_.commit();
  out_.push_back(Committed{.already = already, .request = request.id});
}

// After each event; while an operation is under way its end is waited for.
void Service::judge(Time now) {
  if (!in_peace()) return;
  switch (probation_.verdict(policy_.probation, now, !progressive().under_way())) {
    case Probation::Verdict::kOpen:
      return;
    case Probation::Verdict::kPassed:
      probation_.commit();
      out_.push_back(Committed{.by_itself = true, .already = false});
      return;
    case Probation::Verdict::kFailed:
      break;
  }
  out_.push_back(
      ProbationFailed{current(), probation_.why() + (probation_.one_way() ? kOneWay : "")});
  Opening back{.request = {.to = Probation::Origin::kBack, .timeouts = policy_.timeouts},
               .asked = now,
               .by_itself = true};
  Duration& stall = back.request.timeouts.stall;
  stall = std::min(stall, kPatienceWithTheIll);
  operation_ = {back};
  out_.push_back(OpenBack{});
}

// The handoff back has failed, and this release was not to stay. One that can be spoken with is
// asked to finish; one that hangs is no use to its sessions, either.
void Service::end_to_go_back(const Report& report, Time now) {
  operation_ = {Replacing{}};
  return_ = Return{probation_.why(), current(), owner_.sessions()};
  note(Note::Level::kError, "it can't hand over to the release before (" + report.message +
                                "): it is ended, and that release started on its listeners");
  if (report.code == "timeout" || report.code == "unreachable") {
    out_.push_back(Signal{current(), true});
    return;
  }
  owner_.end_by(now + policy_.timeouts.drain);
  add(owner_.send_stop(now));
}

void Service::go_back_without_handoff(Generation gone, const std::string& how, Time now) {
  if (!return_) {
    return_ = Return{"it " + how, gone, owner_.sessions()};
    out_.push_back(ProbationFailed{gone, "it " + how});
  }
  out_.push_back(TakeBack{});
  probation_.went_back();
  if (operation_.replacing()) {
    operation_ = {};
    owner_.let_be();
    add(owner_.start(false, policy_.timeouts, now));
  } else {
    wait("it " + how + " on probation: back to the release before", now);
  }
}

}  // namespace handoff::supervisor
