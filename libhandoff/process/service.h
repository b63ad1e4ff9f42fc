// One service in one process, and its lane 0: joins the registry, the control socket, and the
// handoff under way, if any, to the one pollable fd and the one dispatch call that the C ABI
// offers.
//
// While a donor is frozen, dispatch() stays inside until the switch is decided: none of the
// service's code runs between the moment its state is saved and the moment it owns its sockets
// again or does not.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/handoff/donor_driver.h"
#include "libhandoff/handoff/heir_driver.h"
#include "libhandoff/handoff/lane.h"
#include "libhandoff/handoff/shell.h"
#include "libhandoff/link/links.h"
#include "libhandoff/process/control.h"
#include "libhandoff/process/orders.h"
#include "libhandoff/process/reports.h"
#include "libhandoff/process/sharers.h"
#include "libhandoff/process/start.h"
#include "libhandoff/process/vaults.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/oom_score.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class Service : public Reporter, public Orders {
 public:
  static Result<std::unique_ptr<Service>> open(const handoff_options& options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // From lane 1 on.
  const std::vector<std::unique_ptr<Lane>>& lanes() const { return lanes_; }
  Registry& registry() { return registry_; }
  const Registry& registry() const { return registry_; }
  int state() const { return state_; }
  bool supervised() const { return control_.opened(); }
  int fd() const { return poller_.fd(); }

  // Runs a declaration on the registry, if there is still time for it.
  Result<void> declare(const std::function<Result<void>(Registry&)>& declaration);
  // Takes fd, unless it fails.
  Result<void> attach(const std::string& name, int fd);
  Result<UniqueFd> detach(const std::string& name);

  Result<void> ready();
  // timeout_ms: -1 for none but the handoff's own deadlines.
  Result<void> wait(int timeout_ms);
  Result<void> dispatch();
  // Before the destructor: a handoff under way is cancelled in words, since a channel that just
  // closes would be a Release to an heir that is prepared. May call thaw().
  void shut();

  // The listeners that this process may claim, from handoff_open() on; nullptr beyond the last.
  const protocol::Named* offer(std::size_t index) const;
  // Before ready(): it is known and not wanted. drop: nor is the supervisor to keep it.
  Result<void> give_back(const std::string& name, bool drop);
  // A socket at an address from which the listener of that name has moved, or moves.
  Result<UniqueFd> take_earlier(const std::string& name);

  void say_health(protocol::Health health);
  // The service ends on purpose, and is not to be started again.
  Result<void> leave(std::string why);
  void count_errors(std::uint64_t more) { errors_ += more; }  // any thread

  // The service says that a session was released, or has ended.
  void sessions_changed();

 private:
  Service(Poller poller, Sharers sharers)
      : poller_(std::move(poller)), sharers_(std::move(sharers)) {}

  // -- of the drivers
  void progress(const protocol::Progress& progress) override;
  void failed(const protocol::Failed& failed) override;
  void retired(const protocol::Retired& retired) override;
  void rehearsed(const protocol::Rehearsed& rehearsed) override;
  Result<void> rest_links(core::Time until) override;
  void wake_links() override;

  // -- of the supervisor
  void donate(const protocol::Donate& donate, std::vector<UniqueFd>& fds) override;
  void stop(const protocol::Stop& stop) override;
  void tell_status(const protocol::Query& query) override;
  void name_processes(protocol::Status& status);
  protocol::Status status(std::uint64_t query) const;
  void relink(const protocol::Relink& relink, std::vector<UniqueFd>& fds) override;
  void spread(const protocol::Spread& spread) override;
  void drain(const protocol::Drain& drain) override;
  void cancel(const protocol::Cancel& cancel) override;
  void hear(Channel::Message& message);

  // What other threads have said of sessions.
  void hear_told();
  void begin(StartOrder start);
  Result<void> take_offers();
  void tell_who_waits();
  void tell_what_is_missing();
  void turn(const std::vector<Role>& roles);
  void settle();
  // After a switch: the links that it brought, and those that it took away.
  void link_to_donor();
  void stay_late();
  void settle_late();
  protocol::Late late() const;

  // A process that shares sockets with this one closes its fds, or has gone.
  void look_at_sockets();
  void go_on_looking();
  void watch_sharer(UniqueFd pidfd, std::optional<Channel> channel = std::nullopt);

  std::vector<Lane*> other_lanes() const;
  std::vector<Registry*> registries();  // of all lanes
  std::uint64_t sessions() const;       // of all lanes
  bool owner_report_possible() const { return !heir_ || heir_->settled(); }
  void report_owner();
  void tell_if_slow(std::uint64_t first_turn_ns) const;
  // This process owns its sockets, and has said so.
  bool known_as_owner() const {
    return (state_ == HANDOFF_STATE_OWNER || state_ == HANDOFF_STATE_DONOR) && !owner_report_due_;
  }
  Reports::Standing standing() const;

  Declared declared_;
  Registry registry_{declared_};
  Poller poller_;
  Sharers sharers_;
  NonblockingLook look_;                      // at what they shared
  std::vector<std::unique_ptr<Lane>> lanes_;  // before the drivers, which order them about
  Control control_{registry_, poller_};
  Reports reports_{registry_, control_};
  int state_ = HANDOFF_STATE_DECLARING;
  std::string ignored_;  // why it has no supervisor although one is in its environment
  // Of Start.
  Offers offers_;
  bool told_who_waits_ = false;
  std::optional<HandoffEnd> heir_end_;
  bool wants_vault_ = false;
  Vaults vaults_;
  OomScore oom_score_;  // raised as long as it is an heir
  // At most one of them.
  std::unique_ptr<HeirDriver> heir_;
  std::unique_ptr<DonorDriver> donor_;
  core::Limits heir_limits_;  // of the handoff that it came by
  std::unique_ptr<Links> links_;
  protocol::Retired late_outcome_;  // told when the last session has gone
  std::uint64_t late_lost_ = 0;     // of it lane 0's
  // Of a late process, until all of its lanes have let go of what has moved.
  struct LateLink {
    std::uint64_t handoff_id;
    std::optional<Channel> channel;
    UniqueFd peer;
    core::Limits limits;
  };
  std::optional<LateLink> late_link_;
  bool owner_report_due_ = false;
  std::uint64_t owned_at_ns_ = 0;  // by a handoff
  std::atomic<std::uint64_t> errors_ = 0;
  std::optional<protocol::Leaving> leaving_;
};

}  // namespace handoff::io
