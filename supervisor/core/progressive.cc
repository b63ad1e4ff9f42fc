#include "supervisor/core/progressive.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace handoff::supervisor {
namespace {

constexpr std::size_t kMost = 10;

// "0.5%", "10%".
std::optional<std::uint32_t> parse_share(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  std::uint32_t tenths = 0;
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos) {
    const std::string_view fraction = text.substr(point + 1);
    if (fraction.size() != 1 || fraction[0] < '0' || fraction[0] > '9') return std::nullopt;
    tenths = static_cast<std::uint32_t>(fraction[0] - '0');
    text = text.substr(0, point);
  }
  std::uint32_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error != std::errc() || end != text.data() + text.size() || whole > 100) return std::nullopt;
  return whole * 10 + tenths;
}

}  // namespace

bool valid_shares(const std::vector<std::uint32_t>& shares) {
  if (shares.empty() || shares.size() > kMost || shares.back() != kAllShares) return false;
  std::uint32_t before = 0;
  return std::all_of(shares.begin(), shares.end(), [&before](std::uint32_t share) {
    return std::exchange(before, share) < share;
  });
}

std::optional<std::vector<std::uint32_t>> parse_shares(const std::string& text) {
  std::vector<std::uint32_t> out;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    const auto share = parse_share(rest.substr(0, comma));
    if (!share || out.size() == kMost) return std::nullopt;
    out.push_back(*share);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (!valid_shares(out)) return std::nullopt;
  return out;
}

void Progressive::plan(std::vector<std::uint32_t> shares, Duration pause, Duration probation) {
  end();
  // All at once is an ordinary upgrade.
  if (shares.size() > 1) shares_ = std::move(shares);
  pause_ = pause;
  probation_ = probation;
}

void Progressive::switched(Generation late, Generation owner, Time now) {
  if (shares_.empty() || under_way()) return end();
  late_ = late;
  owner_ = owner;
  next_ = now + pause_;
}

void Progressive::end() {
  shares_.clear();
  at_ = 0;
  late_ = owner_ = 0;
  next_.reset();
}

std::optional<Progressive::Step> Progressive::tick(Time now) {
  if (!next_ || now < *next_) return std::nullopt;
  ++at_;
  const Step step{late_, owner_, share()};
  next_ = now + pause_;
  if (step.permille == kAllShares) end();
  return step;
}

std::optional<Progressive::Step> Progressive::give_back() {
  if (!under_way()) return std::nullopt;
  const Step step{late_, owner_, 0};
  next_.reset();
  return step;
}

}  // namespace handoff::supervisor
