// How release 2 keeps a value: typed, so that a counter is a number and not its digits. A list lies
// outside, so that all other values are small. Expiry is in microseconds. The engine uses
// v1/value.h and v2/value.h through the same functions; the members differ.
#ifndef HANDOFF_EXAMPLES_KV_V2_VALUE_H
#define HANDOFF_EXAMPLES_KV_V2_VALUE_H

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common.h"
#include "number.h"

namespace kv {

using List = std::deque<std::string>;

class Value {
 public:
  explicit Value(std::string text) : data_(typed(std::move(text))) {}
  explicit Value(std::int64_t number) : data_(number) {}
  explicit Value(List list) : data_(std::make_unique<List>(std::move(list))) {}

  bool is_list() const { return std::holds_alternative<std::unique_ptr<List>>(data_); }
  std::string_view type_name() const { return is_list() ? "list" : "string"; }

  // REQUIRES !is_list(). A view into the value or into room.
  std::string_view text(Digits& room) const {
    if (const auto* number = std::get_if<std::int64_t>(&data_))
      return format_integer(*number, room);
    return std::get<std::string>(data_);
  }
  std::optional<std::int64_t> number() const {
    if (const auto* number = std::get_if<std::int64_t>(&data_)) return *number;
    return std::nullopt;  // text that is an integer is kept as a number, never as text
  }

  // REQUIRES is_list().
  List& list() { return *std::get<std::unique_ptr<List>>(data_); }
  const List& list() const { return *std::get<std::unique_ptr<List>>(data_); }

  Time expires() const { return expires_us_; }
  void set_expires(Time at) { expires_us_ = at; }

 private:
  using Data = std::variant<std::int64_t, std::string, std::unique_ptr<List>>;
  static Data typed(std::string text) {
    if (const auto number = parse_integer(text)) return *number;
    return text;
  }

  Data data_;
  Time expires_us_ = kNever;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_V2_VALUE_H
