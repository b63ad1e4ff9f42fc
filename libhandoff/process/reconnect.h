// A service outlives its supervisor, and the next one can't reach it by the old socket. So this
// connects to the path named in Start, again and again at growing intervals, until a supervisor of
// the same user, or of root, listens there.
#pragma once

#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/types.h"

namespace handoff::io {

// Lets the supervisor that listens at that path know of this process, and says nothing.
void knock(const std::string& path);

class Reconnect {
 public:
  // From 20 ms, so that a supervisor that is replaced hardly misses anybody, up to a second.
  static constexpr core::Duration kFirst = 20'000;
  static constexpr core::Duration kLongest = 1'000'000;

  // path "": the supervisor named none, and nothing is ever tried.
  static Result<Reconnect> make(std::string path);

  bool known() const { return timer_.valid(); }
  // Readable when the next attempt is due.
  int fd() const { return timer_.get(); }
  // The socket is closed: plans the next attempt. lasted: how long it was open. A socket that was
  // closed at once does not begin from the shortest interval again.
  void plan(core::Duration lasted);
  // The new control socket; nullopt if there is none yet, and the next attempt is planned.
  std::optional<UniqueFd> attempt();

 private:
  void arm();

  std::string path_;
  UniqueFd timer_;
  core::Duration delay_ = kFirst;
};

}  // namespace handoff::io
