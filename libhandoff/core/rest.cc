#include "libhandoff/core/rest.h"

namespace handoff::core {

Rest::Verdict Rest::look(bool said, Time now) {
  if (!until_) return Verdict::kWait;
  const bool late = now >= *until_;
  if (!said && !late) return Verdict::kWait;
  until_.reset();
  return said ? Verdict::kRested : Verdict::kTimeIsUp;
}

}  // namespace handoff::core
