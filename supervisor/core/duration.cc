#include "supervisor/core/duration.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace handoff::supervisor {
namespace {

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr std::array<Unit, 5> kUnits{{{"us", std::chrono::microseconds(1)},
                                      {"ms", std::chrono::milliseconds(1)},
                                      {"s", std::chrono::seconds(1)},
                                      {"m", std::chrono::minutes(1)},
                                      {"h", std::chrono::hours(1)}}};

std::string print(const char* format, double value) {
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), format, value);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& known : kUnits) {
    if (known.name != unit) continue;
    if (number > kLongestDuration / known.length) return std::nullopt;
    return number * known.length;
  }
  return std::nullopt;
}

std::string format_duration(Duration duration) {
  const double us = static_cast<double>(duration.count()) / 1e3;
  if (us < 1000) return print("%.0f us", us);
  if (us < 9.95e3) return print("%.1f ms", us / 1e3);
  if (us < 999.5e3) return print("%.0f ms", us / 1e3);
  if (us < 9.995e6) return print("%.2f s", us / 1e6);
  if (us < 60e6) return print("%.1f s", us / 1e6);
  const auto seconds = static_cast<long long>(us / 1e6);
  std::array<char, 64> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%lld min %02lld s", seconds / 60, seconds % 60);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace handoff::supervisor
