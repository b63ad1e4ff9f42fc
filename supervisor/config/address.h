// A listener as the command line and the config give it: NAME=ADDRESS, and in the config more of
// it. Addresses themselves are the library's (core/address).
#pragma once

#include <string>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/core/address.h"
#include "supervisor/config/listener_options.h"

namespace handoff::supervisor {

struct NamedAddress {
  std::string name;
  core::Address address;
  ListenerOptions options = {};
  friend bool operator==(const NamedAddress&, const NamedAddress&) = default;
};

// "public=tcp:HOST:PORT".
Result<NamedAddress> parse_named_address(std::string_view text);

}  // namespace handoff::supervisor
