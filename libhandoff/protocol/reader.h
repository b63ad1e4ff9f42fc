// Decodes a message: describe() runs over a Reader, which takes the fields from a body.
//
// Only the sources that instantiate decode() include this file.
#pragma once

#include <cstddef>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::protocol {

// Runs the description until the body is at its end. Each run takes the fields that come in the
// description's order: one run for what a Writer wrote, up to three for Sessions, whose records are
// appended one by one. A run that takes nothing has met an unknown field; the next run begins
// behind it.
class Reader {
 public:
  using Walk = void (*)(Reader& on, void* message);
  // Runs walk, which must call describe(), until the body is at its end. HANDOFF_ERR_PROTOCOL if
  // the body is malformed or breaks a limit.
  static Result<void> read(std::string_view body, Screen screen, Walk walk, void* message);

  Reader& message(const char* name, Zeros /*zeros*/ = Zeros::kWritten) {
    if (name_ == nullptr) {
      name_ = name;
      advance();
    } else if (at() == run_from_) {
      pbf_.skip();
      advance();
    }
    run_from_ = at();
    return *this;
  }
  template <class T>
  Reader& field(std::uint32_t n, T& x) {
    if constexpr (std::is_same_v<T, std::string_view>) {
      if (!at_bytes(n)) return *this;
      x = view();
    } else {
      if (!at_number(n)) return *this;
      x = number<T>();
    }
    advance();
    return *this;
  }
  template <class T>
  Reader& if_set(std::uint32_t n, T& x) {
    return field(n, x);
  }
  template <class T>
  Reader& when(bool /*condition*/, std::uint32_t n, T& x) {
    return field(n, x);
  }
  template <class T>
  Reader& choice(std::uint32_t n, T& x, T last, T other) {
    if (!at_number(n)) return *this;
    const std::uint64_t value = pbf_.get_uint64();
    x = value <= static_cast<std::uint64_t>(last) ? static_cast<T>(value) : other;
    advance();
    return *this;
  }
  template <class T>
  Reader& choice_if_set(std::uint32_t n, T& x, T last, T other) {
    return choice(n, x, last, other);
  }
  Reader& text_if_set(std::uint32_t n, std::string& x, std::size_t limit, const char* what) {
    return text(n, x, limit, what);
  }
  Reader& text(std::uint32_t n, std::string& x, std::size_t limit, const char* what) {
    if (at_bytes(n)) take_text(x, limit, what);
    return *this;
  }
  Reader& words(std::uint32_t n, std::string& x, const char* what) {
    return text(n, x, kMaxReason, what);
  }
  template <class T>
  Reader& part(std::uint32_t n, T& x) {
    if (at_bytes(n)) take_part(x = T{});
    return *this;
  }
  template <class T>
  Reader& part(std::uint32_t n, std::optional<T>& x) {
    if (at_bytes(n)) take_part(x.emplace());
    return *this;
  }
  template <class T>
  Reader& each(std::uint32_t n, std::vector<T>& x, std::size_t limit = SIZE_MAX,
               const char* what = "") {
    while (at_bytes(n)) {
      if (x.size() == limit) refuse(what);
      take_part(x.emplace_back());
    }
    return *this;
  }
  template <class T>
  Reader& list(std::uint32_t n, std::vector<T>& x, std::size_t limit = SIZE_MAX,
               const char* what = "") {
    while (at_number(n) || at_bytes(n)) {
      if (at_number(n)) {
        x.push_back(number<T>());
      } else {
        for (const std::uint64_t value : pbf_.get_packed_uint64()) {
          x.push_back(fitting<T>(value));
        }
      }
      if (x.size() > limit) refuse(what);
      advance();
    }
    return *this;
  }
  void require(bool condition, const char* why) { wrong_ = condition ? nullptr : why; }

 private:
  Reader(std::string_view body, Screen screen)
      : pbf_(body.data(), body.size()), run_from_(body.data()), screen_(screen) {}

  void run(Walk walk, void* message);
  // The place behind the next field's tag. The tag itself is in next_, which is 0 at the end.
  const char* at() const { return pbf_.data().data(); }
  void advance() { next_ = pbf_.next() ? pbf_.tag_and_type() : 0; }
  bool at_number(std::uint32_t n) const {
    return next_ == protozero::tag_and_type(n, protozero::pbf_wire_type::varint);
  }
  bool at_bytes(std::uint32_t n) const {
    return next_ == protozero::tag_and_type(n, protozero::pbf_wire_type::length_delimited);
  }
  std::string_view view() {
    const auto bytes = pbf_.get_view();
    return {bytes.data(), bytes.size()};
  }
  // Flags are read as numbers too, and any but 0 is true: protozero's get_bool() looks at the first
  // byte alone, even where the body has ended. A number that does not fit is refused, never cut.
  template <class T>
  T number() {
    return fitting<T>(pbf_.get_uint64());
  }
  template <class T>
  T fitting(std::uint64_t value) {
    if constexpr (std::is_same_v<T, std::uint32_t>) {
      if (value > UINT32_MAX) refuse("a number is out of range");
    }
    return static_cast<T>(value);
  }
  void take_text(std::string& x, std::size_t limit, const char* what);
  template <class T>
  void take_part(T& x) {
    Reader(view(), screen_).run(described<T>, &x);
    advance();
  }
  template <class Message>
  friend Result<Message> decode(std::string_view body, Screen screen);
  template <class Message>
  static void described(Reader& on, void* message) {
    describe(on, *static_cast<Message*>(message));
  }
  [[noreturn]] static void refuse(const char* why);

  protozero::pbf_reader pbf_;
  std::uint32_t next_ = 0;
  const char* run_from_;
  const char* name_ = nullptr;
  const char* wrong_ = nullptr;
  Screen screen_;
};

template <class Message>
Result<Message> decode(std::string_view body, Screen screen) {
  Message m;
  const auto read = Reader::read(body, screen, Reader::described<Message>, &m);
  if (!read) return Failure(read.error());
  return m;
}

}  // namespace handoff::protocol
