#include "supervisor/core/rate.h"

#include <array>
#include <charconv>
#include <utility>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {
namespace {

constexpr int kMostOften = 100;
constexpr std::array<std::pair<std::string_view, Duration>, 3> kWhiles{
    {{"s", std::chrono::seconds(1)},
     {"min", std::chrono::minutes(1)},
     {"h", std::chrono::hours(1)}}};

}  // namespace

std::optional<Rate> parse_rate(std::string_view text) {
  Rate out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.most);
  if (error != std::errc{} || out.most < 1 || out.most > kMostOften) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with('/')) return std::nullopt;
  text.remove_prefix(1);
  for (const auto& [name, length] : kWhiles) {
    if (text == name) out.per = length;
  }
  if (out.per == Duration{}) out.per = parse_duration(text).value_or(Duration{});
  if (out.per == Duration{}) return std::nullopt;
  return out;
}

std::string format_rate(const Rate& rate) {
  const std::string most = std::to_string(rate.most) + "/";
  for (const auto& [name, length] : kWhiles) {
    if (rate.per == length) return most + std::string(name);
  }
  using std::chrono::duration_cast;
  if (rate.per % std::chrono::minutes(1) == Duration{}) {
    return most + std::to_string(duration_cast<std::chrono::minutes>(rate.per).count()) + "m";
  }
  if (rate.per % std::chrono::seconds(1) == Duration{}) {
    return most + std::to_string(duration_cast<std::chrono::seconds>(rate.per).count()) + "s";
  }
  return most + std::to_string(to_us(rate.per)) + "us";
}

}  // namespace handoff::supervisor
