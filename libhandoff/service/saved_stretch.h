// A session's input or output while it is saved: all of it, or what the heir lacks (core/tail.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libhandoff/core/tail.h"

namespace handoff::io {

class SavedStretch {
 public:
  // has: what the heir has, if the positions are those of before.
  void begin(std::optional<core::Stretch> has);
  // False: after one that had a position.
  bool append(std::string_view bytes);
  // False: after one without a position, or one that ends elsewhere.
  bool append_at(std::uint64_t position, std::string_view bytes);
  // All is appended. False: the heir lacks bytes that were left out, so that all has to be appended
  // again, after begin(nullopt).
  bool end();

  // What is to be sent.
  const std::string& bytes() const { return bytes_; }
  // Beside it; nullopt: it is all.
  std::optional<std::uint64_t> drop() const { return drop_; }
  // Where all of it lies; nullopt if no position was said.
  std::optional<core::Stretch> placed() const { return placed_; }

 private:
  std::string bytes_;
  std::optional<core::Stretch> has_, placed_;
  std::optional<std::uint64_t> drop_;
};

}  // namespace handoff::io
