// The processes that have handed over and are still there. Some have sessions, which were busy at
// the switch: how many each has, until when it is waited for, and whether there may be one more of
// them. Others have nothing left and only have to exit.
//
// A late process decides itself what becomes of its sessions when the drain is over (it was told
// the policy); here is only what is done to one that does not.
//
// The policy may change at any time (`handoff reload`), so each question brings it along and
// nothing here keeps it.
#pragma once

#include <map>
#include <optional>

#include "supervisor/core/effects.h"

namespace handoff::supervisor {

class LateProcesses {
 public:
  struct Policy {
    LateSessions policy = LateSessions::kMove;
    Duration drain = std::chrono::seconds(30);
    std::size_t max_generations = 4;  // processes at once, the owner included
  };
  struct One {
    std::uint64_t waiting = 0;
    std::uint64_t moved = 0;
    std::uint64_t closed = 0;
    std::uint64_t unmovable = 0;  // of those that wait: they could not be moved at the switch
    std::vector<core::Staying> staying;  // of those that wait: by their service's word
    bool linked = false;
    bool stays = false;          // it has sessions of a kind that its heir does not claim
    bool drained = false;        // it was told until when
    Generation relinked_to = 0;  // a new link was made
    Time relinked{};
    bool retired = false;  // nothing left; it is about to exit
    bool leaving = false;  // likewise, and it never was late: the donor of an upgrade that is over
    std::optional<Time> next;
    bool termed = false;
  };

  // Over the deadline that it was told: its last moves take up to five seconds.
  static constexpr Duration kMargin = std::chrono::seconds(8);
  // Until a link that was made is made again for one that still says that it has none.
  static constexpr Duration kRelinkAgain = std::chrono::seconds(1);
  static constexpr Duration kTermToKill = std::chrono::seconds(2);

  // progressive: it is not drained before drain().
  Effects on(const DonorLate& late, const Policy& policy, Time now, bool progressive = false);
  // A process that has given everything away is about to exit, and is made to after that time.
  void leave(Generation generation, Time by);
  // What was progressive is waited for like others from here on.
  Effects drain(const Policy& policy, Time now);
  Effects on(const DonorRetired& retired, const Policy& policy, Time now);
  Effects on(const Exited& exited);
  // There is an owner that settles down; late processes without a link to it get one.
  Effects relink(Generation owner, Time now);
  Effects tick(Time now);
  // The service is being stopped.
  Effects stop(Time deadline);
  std::optional<Time> deadline() const;

  const std::map<Generation, One>& all() const { return late_; }
  bool has(Generation generation) const { return late_.contains(generation); }
  bool leaves(Generation generation) const {
    const auto found = late_.find(generation);
    return found != late_.end() && found->second.leaving;
  }
  // No further generation for now: an upgrade needs two processes beside them.
  std::optional<Refuse> refusal(const Policy& policy, const std::string& service) const;

 private:
  std::map<Generation, One> late_;
};

}  // namespace handoff::supervisor
