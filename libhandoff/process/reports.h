// Reports of this process to its supervisor. The next supervisor has not heard them, so the last
// one of some kinds is kept and sent again: how this process became the owner, how its last handoff
// ended, and how well the service is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/process/control.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class Reports {
 public:
  Reports(const Registry& registry, Control& control) : registry_(registry), control_(control) {}

  // Everything is declared. rehearsal: this is an heir that will never own anything. vault: nullopt
  // if the service has not asked for one.
  void registered(core::Manifest manifest, bool rehearsal, std::optional<protocol::Vault> vault);
  // The process owns its sockets, since owner.running_at_ns.
  void owner(protocol::Owner owner);
  // The donor has greeted over its link: of what it has kept it speaks itself from here on.
  void donor_speaks() { donor_speaks_ = true; }
  // tell: false until the supervisor knows this process as the owner. Then owner() sends the
  // health, too.
  void health(protocol::Health health, bool tell);
  void status(const protocol::Status& status);
  // The service ends on purpose: status says so. The next supervisor has not heard it.
  void leaving(protocol::Status status);

  void progress(const protocol::Progress& progress);
  void rehearsed(const protocol::Rehearsed& rehearsed);
  // The end of a handoff, on the side of a donor or of an heir.
  void failed(const protocol::Failed& failed);
  void retired(const protocol::Retired& retired);
  void late(const protocol::Late& late);

  // The process as the next supervisor finds it.
  struct Standing {
    int state = 0;
    std::uint64_t handoff_id = 0;  // under way; 0: none
    bool owner = false;            // and owner() was called
  };
  // Connects to the next supervisor, if one is there, and says who this is and what the one before
  // may not have heard.
  void reconnect(const Standing& standing);

 private:
  std::vector<protocol::GivenBack> given_back() const;
  void send_owner(bool with_fds);
  bool copy_listeners(std::vector<UniqueFd>& out) const;
  void send_outcome(protocol::Type type, std::string body);

  const Registry& registry_;
  Control& control_;
  protocol::Owner owner_;
  bool came_back_ = false;  // to a supervisor that may not hold the listeners
  bool donor_speaks_ = false;
  std::optional<protocol::Vault> vault_;
  std::optional<protocol::Health> health_;
  std::optional<protocol::Status> leaving_;
  std::optional<std::pair<protocol::Type, std::string>> outcome_;
};

}  // namespace handoff::io
