// Key material on the stack or in an object: wiped when its life ends, and when it is replaced.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace handoff::tls {

// Overwrites the bytes where a compiler would leave out a memset(3) of what is dead anyway.
inline void wipe(void* bytes, std::size_t size) {
  std::memset(bytes, 0, size);
  __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

template <std::size_t kSize>
class Secret {
 public:
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(bytes_.data(), kSize); }

  static constexpr std::size_t size() { return kSize; }
  std::uint8_t* data() { return bytes_.data(); }
  const std::uint8_t* data() const { return bytes_.data(); }

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

constexpr std::size_t kMaxHash = 48;  // SHA-384
constexpr std::size_t kMaxKey = 32;   // AES-256, ChaCha20
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;

}  // namespace handoff::tls
