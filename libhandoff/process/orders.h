// The orders that a supervisor gives to a process, each decoded before it reaches the service.
#pragma once

#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {

class Orders {
 public:
  virtual ~Orders() = default;
  // fds: of the message, which closes those that are left.
  virtual void donate(const protocol::Donate& donate, std::vector<UniqueFd>& fds) = 0;
  virtual void stop(const protocol::Stop& stop) = 0;
  virtual void tell_status(const protocol::Query& query) = 0;
  virtual void relink(const protocol::Relink& relink, std::vector<UniqueFd>& fds) = 0;
  virtual void spread(const protocol::Spread& spread) = 0;
  virtual void drain(const protocol::Drain& drain) = 0;
  virtual void cancel(const protocol::Cancel& cancel) = 0;
};

// Reads one order, and has it carried out. False: this release knows no order of that type. An
// Error: the message is broken.
Result<bool> obey(Channel::Message& message, Orders& orders);

}  // namespace handoff::io
