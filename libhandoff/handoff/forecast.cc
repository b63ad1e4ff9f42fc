#include "libhandoff/handoff/forecast.h"

#include "libhandoff/sys/process.h"

namespace handoff::io {

Forecast::Forecast(ServiceSender& service, core::Time round_begun)
    : service_(service),
      round_begun_(round_begun),
      copying_(service.given().since),
      chunk_(HANDOFF_CHUNK_MAX) {}

bool Forecast::go_on(protocol::Rehearsed& notes) {
  const std::uint64_t whole = service_.given().bytes;
  for (int i = 0; i < kChunksInATurn; ++i) {
    const auto n = service_.read_change(chunk_.data());
    if (!n) {
      notes.findings.push_back({0, "sections", n.error().message});
      return true;
    }
    if (*n == 0) {
      // What changed while it was counted was counted, too.
      const core::RoundSeen round{now_us() - round_begun_, copying_, whole};
      const core::Duration rest = core::Convergence::foresee(round, changed_);
      notes.sections_ns = static_cast<std::uint64_t>(rest) * 1000;
      return true;
    }
    changed_ += static_cast<std::uint64_t>(*n);
    if (changed_ > whole) {
      notes.sections_unsettled = true;
      return true;
    }
  }
  return false;
}

}  // namespace handoff::io
