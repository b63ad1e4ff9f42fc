// What a supervisor may order a process to do.
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
  // fds: of the message. Whatever is not taken out of them is closed.
  virtual void donate(const protocol::Donate& donate, std::vector<UniqueFd>& fds) = 0;
  virtual void stop(const protocol::Stop& stop) = 0;
  virtual void tell_status(const protocol::Query& query) = 0;
  virtual void relink(const protocol::Relink& relink, std::vector<UniqueFd>& fds) = 0;
  virtual void spread(const protocol::Spread& spread) = 0;
  virtual void drain(const protocol::Drain& drain) = 0;
  virtual void cancel(const protocol::Cancel& cancel) = 0;
};

// Reads one order, and has it carried out. An Error for a message that is broken.
// False for a message of a type that is no order in this release.
Result<bool> obey(Channel::Message& message, Orders& orders);

}  // namespace handoff::io
