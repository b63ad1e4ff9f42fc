// The secrets of one handshake, as OpenSSL's keylog callback tells them, line by line.
#pragma once

#include <cstdint>
#include <string_view>

#include "libhandoff-tls/base/secret.h"

namespace handoff::tls {

// TLS 1.3's. Those of TLS 1.2 come from the SSL itself (handshake.cc).
class Secrets {
 public:
  enum Which : std::uint8_t { kClientHandshake, kServerHandshake, kClient, kServer };

  // "LABEL RANDOM SECRET", the last two in hex. Passes over other labels, and what is malformed.
  void take(std::string_view line);
  // NULL unless one of that size has come.
  const std::uint8_t* get(Which which, std::size_t size) const {
    return sizes_[which] == size ? secrets_[which].data() : nullptr;
  }

 private:
  Secret<kMaxHash> secrets_[4];
  std::size_t sizes_[4] = {};
};

}  // namespace handoff::tls
