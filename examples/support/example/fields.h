// A state as bytes: numbers as 8 bytes, texts with their length in front. To the library a state is
// opaque, so a real service may as well use protobuf (handoff/protobuf.hpp).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace example {

class FieldWriter {
 public:
  FieldWriter& number(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  FieldWriter& text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads fields in the order in which they were written. Another process wrote the bytes, so a
// length that can't be, or bytes left over at done(), throw, which fails the handoff.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t number() {
    const std::string_view raw = take(8);
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(raw[static_cast<std::size_t>(i)])}
               << (8 * i);
    }
    return value;
  }
  std::string text() { return std::string(take(number())); }
  void done() const {
    if (!bytes_.empty()) throw std::runtime_error("state: longer than it should be");
  }

 private:
  std::string_view take(std::uint64_t length) {
    if (length > bytes_.size()) throw std::runtime_error("state: shorter than it says");
    const std::string_view taken = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return taken;
  }
  std::string_view bytes_;
};

}  // namespace example
