// Which bytes of a session's input or output the heir lacks.
//
// Input that was not consumed and output that was not sent change at their ends alone: bytes go at
// the front, and others come behind. So of a stretch of the stream that the heir has, only what is
// new is sent, with the number of bytes that are over.
#pragma once

#include <cstdint>

namespace handoff::core {

// The bytes from begin to end, counted from any moment before them that stays the same.
struct Stretch {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

struct Tail {
  bool whole = true;       // else:
  std::uint64_t drop = 0;  // so many bytes go at the front of what the heir has,
  std::uint64_t from = 0;  // and what lies from here on is appended
  friend bool operator==(const Tail&, const Tail&) = default;
};

// Whether what the heir has can become this by dropping and appending: whoever says that a position
// is behind one that was said before, or that bytes are gone at the end, gets the whole sent.
inline bool goes_on(const Stretch& has, const Stretch& is) {
  return has.begin <= is.begin && has.end <= is.end && is.begin <= is.end;
}

inline Tail tail_of(const Stretch& has, const Stretch& is) {
  if (!goes_on(has, is)) return {.whole = true, .drop = 0, .from = is.begin};
  const std::uint64_t kept = is.begin < has.end ? is.begin : has.end;
  return {
      .whole = false, .drop = kept - has.begin, .from = is.begin < has.end ? has.end : is.begin};
}

}  // namespace handoff::core
