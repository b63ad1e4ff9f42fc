// What a rehearsal foresees of the freeze: how long it would copy what the sections have changed.
//
// The donor has sent the only round, and the heir tries what it got. Meanwhile the donor counts
// what the sections have changed since the round began, a few chunks in a turn of its loop, and
// sends nothing of it. core/convergence says what would be left after the rounds of a handoff.
#pragma once

#include <optional>
#include <vector>

#include "libhandoff/copy/service_sender.h"
#include "libhandoff/core/donor.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {

class Forecast {
 public:
  // service has sent its chunks, and outlives this object.
  Forecast(ServiceSender& service, core::Time round_begun);

  // Once in a turn of the loop, until it returns true. Then the notes have what is foreseen, or why
  // nothing is.
  bool go_on(protocol::Rehearsed& notes);
  // The heir's answer, which waits for that.
  std::optional<core::DonorEvent> answer;

 private:
  // As few as the copy sends in a turn of an idle loop.
  static constexpr int kChunksInATurn = core::Pace::kFew;

  ServiceSender& service_;
  core::Time round_begun_;
  core::Duration copying_;
  std::uint64_t changed_ = 0;
  std::vector<char> chunk_;
};

}  // namespace handoff::io
