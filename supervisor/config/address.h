// A listener as the command line and the config give it: NAME=ADDRESS. Addresses themselves are the
// library's (core/address).
#pragma once

#include <string>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/core/address.h"

namespace handoff::supervisor {

struct NamedAddress {
  std::string name;
  core::Address address;
  friend bool operator==(const NamedAddress&, const NamedAddress&) = default;
};

// "public=tcp:HOST:PORT".
Result<NamedAddress> parse_named_address(std::string_view text);

}  // namespace handoff::supervisor
