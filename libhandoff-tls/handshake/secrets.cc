#include "libhandoff-tls/handshake/secrets.h"

#include <cstddef>

namespace handoff::tls {
namespace {

constexpr std::string_view kLabels[] = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                                        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                        "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"};

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

}  // namespace

void Secrets::take(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return;
  const std::string_view label = line.substr(0, first);
  const std::string_view hex = line.substr(last + 1);
  if (hex.size() > 2 * kMaxHash || hex.size() % 2 != 0) return;
  for (std::size_t which = 0; which < std::size(kLabels); ++which) {
    if (label != kLabels[which]) continue;
    sizes_[which] = 0;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      const int high = digit(hex[i]), low = digit(hex[i + 1]);
      if (high < 0 || low < 0) return;
      secrets_[which].data()[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
    }
    sizes_[which] = hex.size() / 2;
  }
}

}  // namespace handoff::tls
