// The keys of session tickets (RFC 5077, 4): who has them resumes sessions, whichever generation
// has made the ticket. A key seals for one period and opens for one more.
//
// As bytes, which the next generation reads: version 1, count 1; each key: name 16, MAC key 32,
// cipher key 32, when it was made 8, big-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "libhandoff-tls/base/secret.h"

namespace handoff::tls {

struct TicketKey {
  static constexpr std::size_t kNameSize = 16;
  std::array<std::uint8_t, kNameSize> name{};  // in the clear, in each ticket
  Secret<32> mac;
  Secret<32> cipher;
  std::uint64_t made_s = 0;

  static constexpr std::size_t kRandomSize = kNameSize + 64;
  void make(std::span<const std::uint8_t, kRandomSize> random, std::uint64_t now_s);
};

// Times are seconds of one clock, that of all generations on this host. All zeros has no key.
class TicketKeys {
 public:
  static constexpr std::uint64_t kPeriodS = 12 * 3600;
  static constexpr std::size_t kKept = 2;
  static constexpr std::size_t kMaxSize = 2 + kKept * (TicketKey::kRandomSize + 8);

  void set_period(std::uint64_t seconds) { period_s_ = seconds; }
  // Whether a new key is to be made: there is none, or the newest is past its period, or of a time
  // that has not come.
  bool due(std::uint64_t now_s) const;
  void rotate(std::span<const std::uint8_t, TicketKey::kRandomSize> random, std::uint64_t now_s);
  // NULL if there is none.
  const TicketKey* newest() const { return count_ > 0 ? keys_.data() : nullptr; }
  // NULL for one that is unknown or too old.
  const TicketKey* find(std::span<const std::uint8_t, TicketKey::kNameSize> name,
                        std::uint64_t now_s) const;

  std::size_t size() const { return 2 + count_ * (TicketKey::kRandomSize + 8); }
  // Writes size() bytes: keys in plain view.
  void write(std::uint8_t* out) const;
  // In place of what there was. False for what no release has written, which changes nothing; what
  // a newer one has written in another way is passed over.
  bool read(std::string_view bytes);

 private:
  static constexpr std::uint8_t kVersion = 1;
  std::uint64_t period_s_ = kPeriodS;
  std::size_t count_ = 0;
  std::array<TicketKey, kKept> keys_;  // the newest first
};

}  // namespace handoff::tls
