#include "supervisor/core/owner.h"

#include <algorithm>
#include <utility>

namespace handoff::supervisor {

std::optional<Time> Owner::deadline() const {
  std::optional<Time> earliest;
  for (const auto& time : {ready_by_, retry_at_, kill_at_}) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  }
  return earliest;
}

Generation Owner::next() {
  alive_.insert(++last_);
  return last_;
}

Effects Owner::kill_all() {
  at_once_ = true;
  Effects out;
  if (clearing_) out.push_back(EndChildren{});
  for (const Generation generation : alive_) out.push_back(Signal{generation, true});
  return out;
}

void Owner::found(Generation last, Generation generation, std::uint64_t restarts) {
  last_ = last;
  restarts_ = restarts;
  if (generation == 0) return;
  retry_at_.reset();
  ready_by_.reset();
  state_ = State::kAdopting;
  generation_ = generation;
  alive_.insert(generation);
}

Effects Owner::start(bool candidate, const Timeouts& timeouts, Time now) {
  state_ = State::kStarting;
  generation_ = next();
  registered_ = false;
  timed_out_ = false;
  retry_at_.reset();
  at_once_ = false;
  start_within_ = timeouts.start;
  // What others have left may need the time that is for a start.
  const bool ends = children_ == ChildrenPolicy::kEnd;
  ready_by_ = ends ? std::nullopt : std::optional(now + start_within_);
  return {Spawn{.generation = generation_,
                .candidate = candidate,
                .timeouts = timeouts,
                .ends_children = ends}};
}

Effects Owner::children_ended(Generation generation, Time now) {
  if (state_ == State::kStarting && generation == generation_) ready_by_ = now + start_within_;
  if (generation != 0 || !std::exchange(clearing_, false) || !alive_.empty()) return {};
  state_ = State::kStopped;
  return {ReportStopped{}};
}

void Owner::came_up(Time now) {
  state_ = State::kRunning;
  ready_by_.reset();
  running_since_ = now;
}

void Owner::replaced_by(Generation heir, std::uint64_t sessions, Time now) {
  generation_ = heir;
  registered_ = true;
  running_since_ = now;
  sessions_ = sessions;
  backoff_.reset();
  if (state_ == State::kAdopting || state_ == State::kRecovering) state_ = State::kRunning;
}

void Owner::recover(Generation reader) {
  state_ = State::kRecovering;
  generation_ = reader;
  registered_ = false;
  timed_out_ = false;
  ready_by_.reset();
  retry_at_.reset();
}

Generation Owner::gone() {
  ready_by_.reset();
  return std::exchange(generation_, 0);
}

Duration Owner::wait(Time now) {
  const Duration ran = state_ == State::kRunning ? now - running_since_ : Duration{};
  const Duration wait = backoff_.after(ran);
  state_ = State::kBackoff;
  retry_at_ = now + wait;
  return wait;
}

void Owner::stop(Time kill_at) {
  state_ = State::kStopping;
  clearing_ = false;
  ready_by_.reset();
  retry_at_.reset();
  kill_at_ = kill_at;
}

// A process that has not registered may not know the protocol.
Effects Owner::send_stop(Time now) const {
  if (generation_ == 0 || !kill_at_) return {};
  if (registered_) return {SendStop{generation_, std::max(*kill_at_, now)}};
  return {Signal{generation_, false}};
}

Effects Owner::stopped() {
  if (state_ != State::kStopping || !alive_.empty() || clearing_) return {};
  kill_at_.reset();
  if (children_ == ChildrenPolicy::kEnd) {
    clearing_ = true;
    return {EndChildren{.grace = at_once_ ? Duration{} : kChildrenLeave}};
  }
  state_ = State::kStopped;
  return {ReportStopped{}};
}

Effects Owner::tick(const Timeouts& timeouts, Time now) {
  Effects out;
  if (ready_by_ && now >= *ready_by_) {
    ready_by_.reset();
    timed_out_ = true;
    out.push_back(Note{Note::Level::kError,
                       registered_ ? "it is ready but does not say that it serves: SIGKILL"
                                   : "it did not say in time that it is ready: SIGKILL"});
    out.push_back(Signal{generation_, true});
  }
  if (retry_at_ && now >= *retry_at_) {
    ++restarts_;
    for (Effect& effect : start(false, timeouts, now)) out.push_back(std::move(effect));
  }
  if (kill_at_ && now >= *kill_at_) {
    kill_at_.reset();
    out.push_back(Note{Note::Level::kWarning, "it is still there after the drain: SIGKILL"});
    for (Effect& effect : kill_all()) out.push_back(std::move(effect));
  }
  return out;
}

}  // namespace handoff::supervisor
