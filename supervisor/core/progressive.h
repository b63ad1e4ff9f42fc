// A progressive upgrade after its switch: the newer process has the first share of the sessions,
// and the next share follows when it has gone well for a while. Who judges that is outside:
// give_back() ends it the other way.
//
// The shares are in thousandths. It is over when all of it is the newer one's, or nothing; or when
// either process has gone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "supervisor/core/events.h"

namespace handoff::supervisor {

inline constexpr std::uint32_t kAllShares = 1000;

// Ascending, none of them nothing, the last of them all; at most ten.
bool valid_shares(const std::vector<std::uint32_t>& shares);
// "1%,10%,100%"; nullopt if these are no valid shares.
std::optional<std::vector<std::uint32_t>> parse_shares(const std::string& text);

class Progressive {
 public:
  struct Step {
    Generation late = 0;
    Generation owner = 0;
    std::uint32_t permille = 0;
  };

  // For the handoff that is about to begin; shares are valid, or empty: it is an ordinary one.
  // probation: of its release, which begins anew with the last share.
  void plan(std::vector<std::uint32_t> shares, Duration pause, Duration probation = {});
  Duration probation() const { return probation_; }
  // What moves at its switch; 0 if it is an ordinary one.
  std::uint32_t first() const { return shares_.empty() ? 0 : shares_.front(); }
  void switched(Generation late, Generation owner, Time now);
  // The handoff failed, or one of the two has gone, or the owner is another now.
  void end();

  std::optional<Step> tick(Time now);
  std::optional<Step> give_back();
  std::optional<Time> deadline() const { return next_; }
  bool under_way() const { return owner_ != 0; }
  bool concerns(Generation generation) const {
    return under_way() && (generation == late_ || generation == owner_);
  }
  Generation late() const { return late_; }
  std::uint32_t share() const { return shares_.empty() ? kAllShares : shares_.at(at_); }

 private:
  std::vector<std::uint32_t> shares_;
  Duration pause_{};
  Duration probation_{};
  std::size_t at_ = 0;
  Generation late_ = 0;
  Generation owner_ = 0;
  std::optional<Time> next_;
};

}  // namespace handoff::supervisor
