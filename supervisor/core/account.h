// The account of one handoff: what each of its steps took and moved, and in the end the report and
// the reasons in one sentence. Whose the sessions are is not decided here.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/core/effects.h"
#include "supervisor/core/side.h"

namespace handoff::supervisor {

// What a release says of itself may be any number.
inline std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) {
  return a + std::min(b, std::numeric_limits<std::uint64_t>::max() - a);
}

class Account {
 public:
  Account(Generation donor, Generation heir, bool rehearsal, Time begun);

  Report& report() { return report_; }
  const Report& report() const { return report_; }
  // How many sessions there are, by the donor's word; 0 before that.
  std::uint64_t known() const { return progress_.sessions_total; }
  // The sessions that are lost if donor and heir both die.
  std::uint64_t at_stake() const {
    return progress_.sessions_total != 0 ? progress_.sessions_total : counted_;
  }

  void counted(std::uint64_t sessions) { counted_ = sessions; }
  void resumed(Time now) { donated_ = now; }
  void heir_ready(Time now);
  void rehearsed(Time now) { report_.copy = now - donated_; }
  void progressed(const Progressed& progress);
  void froze(const Progressed& progress, Time now);
  // True if nobody has told of the freeze before, and it is to be told now.
  bool heir_owns(const Owned& owned, bool donor_died, Duration freeze_budget, Time now);
  // The heir owns by the donor's word alone: it may hang, and so far the blackout is this long.
  void heir_is_silent();
  void retired(const DonorRetired& retired, Time now);
  void late(const DonorLate& late);
  // The donor has ended, and had not said what became of the sessions that it had kept.
  void donor_died_with_kept(const std::string& how);
  void heir_died(const std::string& code, const std::string& how);
  void fail_with(std::string code, std::string message,
                 Report::Failed failed = Report::Failed::kNone);

  Announce announce(const char* phase, bool begins) const;
  // The end. given_up: somebody wanted to know no more.
  void close(const Side& donor, const Side& heir, bool heir_owns, bool rehearsed, bool given_up,
             Time now);

  friend bool operator==(const Account&, const Account&) = default;

 private:
  void compare_counts();
  void time_first_turn(const Owned& owned, Duration freeze_budget);
  void tell_stories(const Side& donor, const Side& heir);

  Report report_;
  Progressed progress_;
  std::uint64_t counted_ = 0;           // the donor's sessions before its first progress
  std::optional<std::uint64_t> given_;  // how many the donor says that it gave away
  bool stays_ = false;                  // it keeps some, and says no more than that
  struct Said {
    std::uint64_t moved = 0;
    std::uint64_t lost = 0;
    bool donor_died = false;  // what that had kept is lost with it
    friend bool operator==(const Said&, const Said&) = default;
  };
  std::optional<Said> said_;  // how many the heir says that it has
  std::uint64_t kept_ = 0;    // by the donor, as the heir says
  std::vector<std::uint64_t> kept_ids_;
  bool heir_died_ = false;  // after it had taken over
  Time begun_;
  Time donated_{};
  Time frozen_{};
  Time running_{};
  bool switch_told_ = false;
};

}  // namespace handoff::supervisor
