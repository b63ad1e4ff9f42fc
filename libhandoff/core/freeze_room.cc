#include "libhandoff/core/freeze_room.h"

#include <algorithm>
#include <limits>

namespace handoff::core {
namespace {

double ns_each(std::uint64_t bytes, std::uint64_t ns) {
  return static_cast<double>(ns) / static_cast<double>(bytes);
}

}  // namespace

void FreezeRoom::measured(std::uint64_t bytes, std::uint64_t ns) {
  if (bytes < kLarge) return;
  if (fastest_ && ns_each(fastest_->bytes, fastest_->ns) <= ns_each(bytes, ns)) return;
  fastest_ = Rate{bytes, ns};
}

std::uint64_t FreezeRoom::takes_ns(std::uint64_t bytes) const {
  if (!fastest_) return 0;
  const double ns = ns_each(fastest_->bytes, fastest_->ns) * static_cast<double>(bytes);
  constexpr auto kMost = static_cast<double>(std::numeric_limits<std::int64_t>::max());
  return static_cast<std::uint64_t>(std::min(ns, kMost));
}

std::uint64_t FreezeRoom::room_ns(Duration budget) {
  return static_cast<std::uint64_t>(std::max<Duration>(budget, 0)) / 5 * 2 * 1000;
}

std::vector<FreezeRoom::Session> FreezeRoom::too_large(std::vector<Session> waiting,
                                                       Duration budget) const {
  if (!fastest_) return {};
  std::erase_if(waiting, [](const Session& session) { return session.bytes < kLarge; });
  std::sort(waiting.begin(), waiting.end(), [](const Session& a, const Session& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.id < b.id;
  });
  std::uint64_t left = 0;
  for (const Session& session : waiting) left += session.bytes;
  std::size_t leave = 0;
  while (leave < waiting.size() && takes_ns(left) > room_ns(budget)) left -= waiting[leave++].bytes;
  waiting.resize(leave);
  return waiting;
}

}  // namespace handoff::core
