#include "libhandoff-tls/core/tickets.h"

#include <algorithm>
#include <cstring>

namespace handoff::tls {

void TicketKey::make(std::span<const std::uint8_t, kRandomSize> random, std::uint64_t now_s) {
  std::memcpy(name.data(), random.data(), kNameSize);
  std::memcpy(mac.data(), random.data() + kNameSize, mac.size());
  std::memcpy(cipher.data(), random.data() + kNameSize + mac.size(), cipher.size());
  made_s = now_s;
}

bool TicketKeys::due(std::uint64_t now_s) const {
  return count_ == 0 || now_s < keys_[0].made_s || now_s - keys_[0].made_s >= period_s_;
}

void TicketKeys::rotate(std::span<const std::uint8_t, TicketKey::kRandomSize> random,
                        std::uint64_t now_s) {
  for (std::size_t i = kKept - 1; i > 0; --i) keys_[i] = keys_[i - 1];
  keys_[0].make(random, now_s);
  count_ = std::min(count_ + 1, kKept);
}

const TicketKey* TicketKeys::find(std::span<const std::uint8_t, TicketKey::kNameSize> name,
                                  std::uint64_t now_s) const {
  for (std::size_t i = 0; i < count_; ++i) {
    const TicketKey& key = keys_[i];
    if (!std::equal(name.begin(), name.end(), key.name.begin())) continue;
    const bool good = now_s >= key.made_s && now_s - key.made_s < 2 * period_s_;
    return good ? &key : nullptr;
  }
  return nullptr;
}

void TicketKeys::write(std::uint8_t* out) const {
  *out++ = kVersion;
  *out++ = static_cast<std::uint8_t>(count_);
  const auto put = [&out](const std::uint8_t* bytes, std::size_t size) {
    std::memcpy(out, bytes, size);
    out += size;
  };
  for (std::size_t i = 0; i < count_; ++i) {
    put(keys_[i].name.data(), keys_[i].name.size());
    put(keys_[i].mac.data(), keys_[i].mac.size());
    put(keys_[i].cipher.data(), keys_[i].cipher.size());
    for (int shift = 56; shift >= 0; shift -= 8) {
      *out++ = static_cast<std::uint8_t>(keys_[i].made_s >> shift);
    }
  }
}

bool TicketKeys::read(std::string_view bytes) {
  constexpr std::size_t kEach = TicketKey::kRandomSize + 8;
  if (bytes.size() < 2) return false;
  if (static_cast<std::uint8_t>(bytes[0]) != kVersion) return true;
  const std::size_t count = static_cast<std::uint8_t>(bytes[1]);
  if (count > kKept || bytes.size() != 2 + count * kEach) return false;
  const auto* from = reinterpret_cast<const std::uint8_t*>(bytes.data()) + 2;
  for (std::size_t i = 0; i < count; ++i, from += kEach) {
    std::uint64_t made_s = 0;
    for (std::size_t k = 0; k < 8; ++k) made_s = made_s << 8 | from[TicketKey::kRandomSize + k];
    keys_[i].make(
        std::span<const std::uint8_t, TicketKey::kRandomSize>(from, TicketKey::kRandomSize),
        made_s);
  }
  if (count > 0) count_ = count;
  return true;
}

}  // namespace handoff::tls
