#include "supervisor/core/probation.h"

#include <utility>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {

Probation::Back Probation::took_over(const Policy& policy, Origin origin, bool by_itself, Time now,
                                     Duration probation) {
  const bool was_provisional = saved_.provisional;
  const bool past = goes_back_past();
  switch (origin) {
    case Origin::kSame:
      asked_.reset();  // that was the process before
      return Back::kStays;
    case Origin::kFirst:
      saved_ = {};
      return Back::kIsEmpty;
    case Origin::kNew:
      begin(policy, now, probation);
      if (past) return Back::kStays;
      saved_.has_back = saved_.back_proven = true;
      return Back::kIsTheOneBefore;
    case Origin::kBack:
      break;
  }
  const bool proven = saved_.back_proven;
  saved_ = {};
  if (!proven) begin(policy, now, probation);
  if (by_itself) return Back::kIsEmpty;
  saved_.has_back = true;
  saved_.back_proven = !was_provisional;
  return Back::kIsTheOneBefore;
}

void Probation::begin(const Policy& policy, Time now, Duration probation) {
  saved_.provisional = probation > Duration{};
  saved_.one_way = false;
  saved_.died = false;
  saved_.until.reset();
  if (saved_.provisional) saved_.until = now + probation;
  well_ = false;
  failed_ = 0;
  erred_ = false;
  said_owner_ = true;
  answered_ = false;
  asked_.reset();
  why_ = policy.polled ? "" : "the service has not said that it is well";
}

void Probation::begin_again(Time now, Duration probation) {
  if (saved_.provisional) saved_.until = now + probation;
}

void Probation::commit() {
  saved_.provisional = false;
  saved_.until.reset();
}

// A release that could go back to nobody is as good as permanent.
void Probation::lose_back() {
  commit();
  saved_.has_back = saved_.back_proven = false;
}

void Probation::heard(bool healthy, const std::string& why) {
  well_ = healthy;
  failed_ = healthy ? 0 : failed_ + 1;
  why_ = healthy ? "" : why;
}

void Probation::died(const std::string& how) {
  asked_.reset();  // that was the process before
  said_owner_ = true;
  if (!std::exchange(saved_.died, saved_.provisional) || !saved_.provisional) return;
  erred_ = true;
  why_ = "it has died again: it " + how;
}

void Probation::counted(const Policy& policy, std::uint64_t errors) {
  if (!policy.max_errors || errors <= *policy.max_errors) return;
  erred_ = true;
  why_ = "the service has counted " + std::to_string(errors) + " errors, and max_errors is " +
         std::to_string(*policy.max_errors);
}

void Probation::asked(Time now) {
  if (!asked_) asked_ = now;
}

void Probation::answered() {
  answered_ = true;
  asked_.reset();
}

// With its time over and nothing heard of what was asked, the answer is waited for.
std::optional<Time> Probation::until(const Policy& policy) const {
  if (!saved_.provisional) return std::nullopt;
  if (asked_) return *asked_ + policy.patience;
  if (!answered_) return std::nullopt;
  if (policy.polled && heard_nothing()) return std::nullopt;
  return saved_.until;
}

Probation::Verdict Probation::verdict(const Policy& policy, Time now, bool ends) {
  if (!saved_.provisional) return Verdict::kOpen;
  if (erred_) return Verdict::kFailed;
  // A service knows when it is not well; a check from outside may have bad luck.
  if (failed_ >= (policy.polled ? policy.failures : 1)) return Verdict::kFailed;
  if (asked_ && now >= *asked_ + policy.patience) {
    why_ = "it has not answered for " + format_duration(policy.patience);
    return Verdict::kFailed;
  }
  const auto end = until(policy);
  if (!ends || asked_ || !end || now < *end) return Verdict::kOpen;
  if (!said_owner_) {
    why_ = "it has never said that it owns the sessions";
    return Verdict::kFailed;
  }
  return policy.checked && !well_ ? Verdict::kFailed : Verdict::kPassed;
}

}  // namespace handoff::supervisor
