// How release 1 keeps a value: as text or as a list of texts, with expiry in milliseconds. The
// engine uses v1/value.h and v2/value.h through the same functions; the members differ.
#ifndef HANDOFF_EXAMPLES_KV_V1_VALUE_H
#define HANDOFF_EXAMPLES_KV_V1_VALUE_H

#include <cstdint>
#include <deque>
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
  explicit Value(std::string text) : data_(std::move(text)) {}
  explicit Value(std::int64_t number) {
    Digits room;
    data_ = std::string(format_integer(number, room));
  }
  explicit Value(List list) : data_(std::move(list)) {}

  bool is_list() const { return std::holds_alternative<List>(data_); }
  std::string_view type_name() const { return is_list() ? "list" : "string"; }

  // REQUIRES !is_list(). A view into the value or into room.
  std::string_view text(Digits& /*room*/) const { return std::get<std::string>(data_); }
  std::optional<std::int64_t> number() const { return parse_integer(std::get<std::string>(data_)); }

  // REQUIRES is_list().
  List& list() { return std::get<List>(data_); }
  const List& list() const { return std::get<List>(data_); }

  Time expires() const { return expires_ms_ * 1000; }
  // Rounded up: a key never goes early.
  void set_expires(Time at) { expires_ms_ = (at + 999) / 1000; }

 private:
  std::variant<std::string, List> data_;
  std::int64_t expires_ms_ = 0;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_V1_VALUE_H
