// The sockets that a keeper has given: found by what the vault knows of them, each given away once.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/vault/keeper.h"

namespace handoff::supervisor {

class Sockets {
 public:
  explicit Sockets(vault::Kept kept);

  // The socket of that cookie; not valid if it has been closed since.
  UniqueFd take(std::uint64_t cookie);
  // A connection that the service had accepted on one of its listeners, of which nobody has said
  // anything: known tells of the others. Not valid if there is none.
  template <class Known>
  UniqueFd take_accepted(Known&& known) {
    for (auto& [cookie, fd] : by_cookie_) {
      if (!known(cookie) && is_accepted(fd.get())) return take(cookie);
    }
    return {};
  }

 private:
  // Of a listener's address.
  bool is_accepted(int fd) const;

  std::unordered_map<std::uint64_t, UniqueFd> by_cookie_;
  std::vector<UniqueFd> listeners_;
};

}  // namespace handoff::supervisor
