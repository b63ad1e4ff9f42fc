// Times as they stand in requests: seconds or milliseconds from now.
#ifndef HANDOFF_EXAMPLES_KV_EXPIRE_TIME_H
#define HANDOFF_EXAMPLES_KV_EXPIRE_TIME_H

#include <optional>

#include "common.h"

namespace kv {

inline constexpr Time kMillisecond = 1000;

// Nothing if the result does not fit a Time.
inline std::optional<Time> time_from_now(Time now, std::int64_t amount, Time unit) {
  Time delta = 0, at = 0;
  if (__builtin_mul_overflow(amount, unit, &delta)) return std::nullopt;
  if (__builtin_add_overflow(now, delta, &at)) return std::nullopt;
  // One second is left as room for rounding up.
  if (at > INT64_MAX - kSecond) return std::nullopt;
  return at;
}

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_EXPIRE_TIME_H
