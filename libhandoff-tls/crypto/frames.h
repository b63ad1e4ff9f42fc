// Stack frames that have ended keep what was in them. OpenSSL wipes its buffers, and not the
// registers that its assembly has put on the stack: words of a cipher's key (ChaCha20's whole
// state), the message schedule of a hash, from which an HMAC's key can be computed.
#pragma once

#include <cstddef>

#include "libhandoff-tls/base/secret.h"

namespace handoff::tls {

// Bytes, about twice as many as OpenSSL 3.0 goes deep: 1.2 to 3.3 KiB for an HMAC, by what the
// processor can do, and up to 8 KiB for a handshake.
constexpr std::size_t kCipherFrames = 4096;
constexpr std::size_t kHashFrames = 8192;
constexpr std::size_t kHandshakeFrames = 16384;

// Overwrites so many bytes of the stack, from the frame of its function on, when its life ends.
// Declare it first.
template <std::size_t kSize>
class WipesFrames {
 public:
  WipesFrames() = default;
  WipesFrames(const WipesFrames&) = delete;
  WipesFrames& operator=(const WipesFrames&) = delete;
  ~WipesFrames() { overwrite(); }

 private:
  [[gnu::noinline]] static void overwrite() {
    unsigned char frames[kSize];
    wipe(frames, sizeof frames);
  }
};

}  // namespace handoff::tls
