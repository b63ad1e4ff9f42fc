// Encodes a message: describe() runs over a Writer, which appends each field to a body.
//
// Only the sources that instantiate encode() include this file.
#pragma once

#include <cstddef>
#include <optional>
#include <protozero/types.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "libhandoff/base/text.h"
#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::protocol {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& message(const char* /*name*/, Zeros zeros = Zeros::kWritten) {
    if (zeros == Zeros::kLeftOut) zeros_ = zeros;
    return *this;
  }
  template <class T>
  Writer& field(std::uint32_t n, const T& x) {
    return when(zeros_ == Zeros::kWritten || x != T{}, n, x);
  }
  template <class T>
  Writer& if_set(std::uint32_t n, const T& x) {
    return when(x != T{}, n, x);
  }
  template <class T>
  Writer& when(bool condition, std::uint32_t n, const T& x) {
    if (!condition) return *this;
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      const std::string_view bytes = x;
      tag(n, protozero::pbf_wire_type::length_delimited);
      varint(bytes.size());
      out_ += bytes;
    } else {
      tag(n, protozero::pbf_wire_type::varint);
      varint(static_cast<std::uint64_t>(x));
    }
    return *this;
  }
  template <class T>
  Writer& choice(std::uint32_t n, const T& x, T /*last*/, T /*other*/) {
    return field(n, x);
  }
  template <class T>
  Writer& choice_if_set(std::uint32_t n, const T& x, T /*last*/, T /*other*/) {
    return if_set(n, x);
  }
  Writer& text(std::uint32_t n, const std::string& x, std::size_t /*limit*/, const char* /*what*/) {
    return field(n, x);
  }
  Writer& text_if_set(std::uint32_t n, const std::string& x, std::size_t /*limit*/,
                      const char* /*what*/) {
    return if_set(n, x);
  }
  Writer& words(std::uint32_t n, const std::string& x, const char* /*what*/) {
    return field(n, printable(x, kMaxReason));
  }
  template <class T>
  Writer& part(std::uint32_t n, const T& x) {
    within(n, [&] { describe(*this, x); });
    return *this;
  }
  template <class T>
  Writer& part(std::uint32_t n, const std::optional<T>& x) {
    return x ? part(n, *x) : *this;
  }
  template <class T>
  Writer& each(std::uint32_t n, const std::vector<T>& x, std::size_t /*limit*/ = SIZE_MAX,
               const char* /*what*/ = "") {
    for (const T& entry : x) part(n, entry);
    return *this;
  }
  template <class T>
  Writer& list(std::uint32_t n, const std::vector<T>& x, std::size_t /*limit*/ = SIZE_MAX,
               const char* /*what*/ = "") {
    if (x.empty()) return *this;
    within(n, [&] {
      for (const T& number : x) varint(number);
    });
    return *this;
  }
  void require(bool /*condition*/, const char* /*why*/) {}

 private:
  void varint(std::uint64_t value) {
    if (value < 0x80) {
      out_.push_back(static_cast<char>(value));
    } else {
      long_varint(value);
    }
  }
  void long_varint(std::uint64_t value);
  void tag(std::uint32_t n, protozero::pbf_wire_type type) {
    varint(protozero::tag_and_type(n, type));
  }
  // The length comes first on the wire and is known last. Most parts are below 128 bytes, so one
  // byte is kept for the length; a longer part is moved.
  template <class Write>
  void within(std::uint32_t n, Write&& write) {
    tag(n, protozero::pbf_wire_type::length_delimited);
    const std::size_t at = out_.size();
    out_.push_back('\0');
    write();
    const std::size_t length = out_.size() - at - 1;
    out_[at] = static_cast<char>(length);
    if (length >= 0x80) lengthen(at, length);
  }
  void lengthen(std::size_t at, std::size_t length);

  std::string& out_;
  Zeros zeros_ = Zeros::kWritten;
};

template <class Message>
std::string encode(const Message& m) {
  std::string out;
  Writer writer(out);
  describe(writer, m);
  return out;
}

}  // namespace handoff::protocol
