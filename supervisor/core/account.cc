#include "supervisor/core/account.h"

#include <algorithm>
#include <utility>

#include "libhandoff/core/first_turn.h"

namespace handoff::supervisor {

namespace {

constexpr std::size_t kMostLostIds = 100;  // as a release names at most

// The side says of itself why it gave up. It does not say that the other one was silent or gone, or
// did not want to.
bool own_fault(const Side& side) {
  return !side.code.empty() && !side.echoes && side.code != "peer_died" && side.code != "timeout" &&
         side.code != "cancelled";
}

// The side complains of the other one.
bool accuses(const Side& side) {
  return !side.echoes && (side.code == "peer_died" || side.code == "timeout");
}

Report::Failed failed_side(const Side& donor, const Side& heir) {
  using Failed = Report::Failed;
  // A library that does not tell whose reason it is: both say the same.
  const bool same = donor.code == heir.code && !donor.story.empty() && !donor.echoes &&
                    !heir.echoes && heir.story.ends_with(donor.story);
  if (same) return Failed::kNone;
  if (own_fault(heir)) return Failed::kNew;
  if (own_fault(donor) || donor.gone) return Failed::kOld;
  if (heir.echoes && heir.code != "cancelled") return Failed::kOld;
  if (donor.echoes && donor.code != "cancelled") return Failed::kNew;
  if (accuses(donor)) return Failed::kNew;
  return accuses(heir) ? Failed::kOld : Failed::kNone;
}

}  // namespace

Account::Account(Generation donor, Generation heir, bool rehearsal, Time begun) : begun_(begun) {
  report_.from = donor;
  report_.to = heir;
  report_.rehearsal = rehearsal;
}

void Account::heir_ready(Time now) {
  report_.start = now - begun_;
  donated_ = now;
}

void Account::progressed(const Progressed& progress) {
  progress_ = progress;
  report_.bytes = progress.bytes;
}

void Account::froze(const Progressed& progress, Time now) {
  frozen_ = progress.at_ns != 0 ? time_from_ns(progress.at_ns) : now;
  switch_told_ = true;
}

bool Account::heir_owns(const Owned& owned, bool donor_died, Duration freeze_budget, Time now) {
  running_ = owned.running_at_ns != 0 ? time_from_ns(owned.running_at_ns) : now;
  if (owned.frozen_at_ns != 0) frozen_ = time_from_ns(owned.frozen_at_ns);
  report_.moved = owned.sessions;
  report_.lost = owned.lost;
  said_ = Said{owned.sessions, owned.lost, owned.donor_died};
  kept_ = owned.kept;
  kept_ids_ = owned.kept_ids;
  report_.result = owned.lost > 0 ? Report::Result::kLost : Report::Result::kDone;
  report_.lost_ids = owned.lost_ids;
  report_.bytes = std::max(report_.bytes, progress_.bytes);
  report_.blackout = owned.blackout;
  // Whatever was about to be said of a failure: it has come out otherwise. How the donor died is
  // told at the end.
  fail_with(owned.lost > 0 ? "peer_died" : "", "");
  compare_counts();
  // The two speak on sockets of their own: the donor's word of its freeze may still be on its way.
  // What was moved is known from here.
  progress_.sessions_sent = progress_.sessions_total = report_.moved;
  const bool tells = frozen_ != Time{} && !switch_told_ && !donor_died;
  if (frozen_ == Time{}) frozen_ = running_;  // the donor died before it froze
  report_.copy = std::max(frozen_ - donated_, Duration{});
  report_.switched = std::max(running_ - frozen_, Duration{});
  report_.frozen = frozen_;
  report_.running = running_;
  time_first_turn(owned, freeze_budget);
  return tells;
}

// A part of the switch, whatever the release says.
void Account::time_first_turn(const Owned& owned, Duration freeze_budget) {
  if (owned.owned_at_ns == 0) return;
  const Duration took = running_ - time_from_ns(owned.owned_at_ns);
  report_.first_turn = std::clamp(took, Duration{}, report_.switched);
  report_.slow = core::why_slow("the new release", to_us(report_.first_turn), to_us(freeze_budget));
}

void Account::heir_is_silent() {
  const auto us = static_cast<std::uint64_t>(to_us(report_.switched));
  report_.blackout = {us, us, us, us};
}

void Account::retired(const DonorRetired& retired, Time now) {
  if (retired.first_fd_at_ns != 0) {
    const Time left = retired.at_ns != 0 ? time_from_ns(retired.at_ns) : now;
    report_.transfer = std::max(left - time_from_ns(retired.first_fd_at_ns), Duration{});
  }
  report_.bytes = std::max(report_.bytes, retired.bytes);
  if (!retired.left_out.empty()) report_.left_out = retired.left_out;
  if (retired.heir_died) report_.lost_ids = retired.lost_ids;
  report_.closed = retired.closed;
  report_.unmoved = retired.unmoved;
  progress_.sessions_total = retired.sessions;
  given_ = retired.sessions;
  if (heir_died_) report_.lost = retired.sessions;
  compare_counts();
}

void Account::late(const DonorLate& late) {
  report_.waiting = late.waiting;
  report_.left_out = late.left_out;
  report_.unmovable = late.unmovable;
  report_.closed = late.closed;
  report_.unmoved = late.unmoved;
  report_.staying = late.staying;
  stays_ = true;
  compare_counts();
}

void Account::donor_died_with_kept(const std::string& how) {
  if (kept_ == 0) return;
  const std::string sessions = kept_ == 1 ? " session" : " sessions";
  std::string why = "the old release " + how + ", and had not said what became of the " +
                    std::to_string(kept_) + sessions + " that it had kept";
  report_.result = Report::Result::kLost;
  report_.lost = saturated_sum(report_.lost, std::exchange(kept_, 0));
  for (const std::uint64_t id : kept_ids_) {
    if (report_.lost_ids.size() < kMostLostIds) report_.lost_ids.push_back(id);
  }
  if (!report_.message.empty()) {
    report_.message += "; " + why;
    return;
  }
  fail_with("peer_died", std::move(why), Report::Failed::kOld);
}

void Account::heir_died(const std::string& code, const std::string& how) {
  report_.result = Report::Result::kLost;
  report_.lost = given_.value_or(saturated_sum(report_.lost, report_.moved));
  heir_died_ = true;
  said_.reset();
  std::string reason = "the new release " + how + " after it had taken over";
  if (!report_.message.empty()) reason = report_.message + "; " + reason;
  fail_with(code, std::move(reason), Report::Failed::kNew);
}

void Account::fail_with(std::string code, std::string message, Report::Failed failed) {
  report_.failed = failed;
  report_.code = std::move(code);
  report_.message = std::move(message);
}

Announce Account::announce(const char* phase, bool begins) const {
  return {phase, progress_.sessions_sent, progress_.sessions_total, progress_.bytes, begins};
}

void Account::close(const Side& donor, const Side& heir, bool heir_owns, bool rehearsed,
                    bool given_up, Time now) {
  if (heir_owns) report_.retire = std::max(now - running_, Duration{});
  if (rehearsed && !given_up && report_.result == Report::Result::kFailed) {
    report_.result = Report::Result::kRehearsed;
    fail_with("", "");
    return;
  }
  if (report_.result == Report::Result::kDone || !report_.message.empty()) return;
  if (heir_owns) {
    fail_with(report_.code,
              "the old release " + donor.story +
                  " during the copy: the new one took over and reset " +
                  std::to_string(report_.lost) + (report_.lost == 1 ? " session" : " sessions") +
                  " that it had no valid state of",
              Report::Failed::kOld);
    return;
  }
  tell_stories(donor, heir);
}

// Each session that the donor gave is the heir's, or lost; the heir has no others. What it says
// beyond that is not believed, and then nobody can say that all of them are there.
void Account::compare_counts() {
  if (!said_ || (!given_ && !stays_)) return;
  const auto [moved, lost, donor_died] = *said_;
  const std::string sessions = moved == 1 ? " session" : " sessions";
  std::string why;
  if (given_ && saturated_sum(moved, lost) < *given_) {
    report_.lost = *given_ - moved;
    why = "the old release gave " + std::to_string(*given_) +
          " sessions away, and the new one knows of " + std::to_string(moved + lost);
  } else if (given_ && saturated_sum(moved, lost) > *given_) {
    report_.lost = std::min(lost, *given_);
    report_.moved = *given_ - report_.lost;
    why = "the new release says that it has " + std::to_string(moved) + sessions +
          (lost > 0 ? " and lost " + std::to_string(lost) : "") + ", and " +
          std::to_string(*given_) + " were given to it";
  } else if (lost > 0 && (given_ || !donor_died)) {
    why = "the new release says that it lost " + std::to_string(lost) +
          (lost == 1 ? " session" : " sessions") + ", and the old one " +
          (given_ ? "gave all of them away" : "has not died");
  } else {
    return;
  }
  if (report_.lost_ids.size() > report_.lost) report_.lost_ids.resize(report_.lost);
  report_.result = Report::Result::kLost;
  fail_with("protocol", std::move(why), Report::Failed::kNew);
}

// The reasons of both sides in one sentence. The heir's own words come first: a donor can often
// only say that its peer is gone.
void Account::tell_stories(const Side& donor, const Side& heir) {
  std::string text;
  const bool donor_told = !donor.story.empty();
  const bool heir_told = !heir.story.empty() && !(heir.echoes && donor_told);
  const bool echo = heir_told && ((donor.echoes && heir.told) ||
                                  heir.story.find(donor.story) != std::string::npos);
  if (heir_told) text = "the new release " + heir.story;
  if (donor_told && !echo) {
    if (!text.empty()) text += "; ";
    text += donor.gone || donor.code.empty() ? "the old release " : "the old release says: ";
    text += donor.story;
  }
  if (text.empty()) text = "the new release died right after the switch";
  const bool heir_knows =
      !heir.code.empty() && heir.code != "peer_died" && heir.code != "cancelled";
  std::string code = heir_knows || donor.code.empty() ? heir.code : donor.code;
  fail_with(code.empty() ? "timeout" : std::move(code), std::move(text), failed_side(donor, heir));
}

}  // namespace handoff::supervisor
