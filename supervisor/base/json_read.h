// Members of JSON that another program wrote: a file that may be broken, a supervisor of another
// version. nlohmann::json converts any number to any other, and what is out of range is then
// undefined, so whole numbers are read by these functions.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

namespace handoff::supervisor {

// nullopt unless it is a whole number that T holds.
template <std::integral T>
std::optional<T> whole_number(const nlohmann::json& in) {
  const auto fits = [](auto value) -> std::optional<T> {
    if (!std::in_range<T>(value)) return std::nullopt;
    return static_cast<T>(value);
  };
  if (in.is_number_unsigned()) return fits(in.get<std::uint64_t>());
  if (in.is_number_integer()) return fits(in.get<std::int64_t>());
  return std::nullopt;
}

// Throws what nlohmann::json throws, unless it is a whole number from `least` to `most`.
template <std::integral T>
T need_number(const nlohmann::json& in, T least, T most) {
  const auto value = whole_number<T>(in);
  if (value && *value >= least && *value <= most) return *value;
  throw nlohmann::json::other_error::create(
      501,
      "no whole number from " + std::to_string(least) + " to " + std::to_string(most) + ": " +
          in.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 100),
      nullptr);
}

// The member of that name; 0 or "" where there is none of that type.
inline std::uint64_t number_in(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() ? whole_number<std::uint64_t>(*found).value_or(0) : 0;
}
inline std::string text_in(const nlohmann::json& object, const char* name,
                           const std::string& otherwise = "") {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

// Likewise, as a time. What is longer than a century is told as one: it has to fit a Duration.
inline std::chrono::microseconds microseconds_of(std::uint64_t number) {
  constexpr std::uint64_t kCentury = std::chrono::microseconds(std::chrono::years(100)).count();
  return std::chrono::microseconds(std::min(number, kCentury));
}
inline std::chrono::microseconds microseconds_in(const nlohmann::json& object, const char* name) {
  return microseconds_of(number_in(object, name));
}
inline std::chrono::milliseconds milliseconds_in(const nlohmann::json& object, const char* name) {
  constexpr std::uint64_t kUs = 1000;
  const std::uint64_t number = number_in(object, name);
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      microseconds_of(std::min(number, UINT64_MAX / kUs) * kUs));
}

}  // namespace handoff::supervisor
