// What of the large sessions would not fit into the freeze: they are sent again in it, since they
// have changed, and the freeze has a budget.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libhandoff/core/types.h"

namespace handoff::core {

class FreezeRoom {
 public:
  // Smaller sessions are neither measured nor left.
  static constexpr std::uint64_t kLarge = std::uint64_t{1} << 20;

  struct Session {
    std::uint64_t id = 0;
    std::uint64_t bytes = 0;  // that it would be sent with, as they were when it was sent last
    friend bool operator==(const Session&, const Session&) = default;
  };

  // So many bytes of large sessions took that long, from save() in the donor to the heir's Ack. The
  // fastest counts: others have waited for something else, too.
  void measured(std::uint64_t bytes, std::uint64_t ns);
  bool known() const { return fastest_.has_value(); }
  // How long so many bytes take; 0 if nothing was measured.
  std::uint64_t takes_ns(std::uint64_t bytes) const;

  // Of the waiting, those that have to stay so that the rest fits: the largest first, and no more
  // of them than it takes. None if all fit, and none if nothing was measured.
  std::vector<Session> too_large(std::vector<Session> waiting, Duration budget) const;

 private:
  // A donor must release its heir within four fifths of the budget. Half of that is for all else.
  static std::uint64_t room_ns(Duration budget);

  struct Rate {
    std::uint64_t bytes = 0;
    std::uint64_t ns = 0;
  };
  std::optional<Rate> fastest_;
};

}  // namespace handoff::core
