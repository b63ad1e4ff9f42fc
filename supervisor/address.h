// Addresses of listeners as people write them: tcp:HOST:PORT, tcp:[V6]:PORT, udp:..., unix:/PATH,
// unix:@ABSTRACT. Hosts are numeric: a name could mean something else tomorrow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace handoff::supervisor {

struct Address {
  enum class Kind { kTcp, kUdp, kUnix };
  Kind kind = Kind::kTcp;
  bool v6 = false;
  std::string host;
  std::uint16_t port = 0;  // 0: the kernel chooses
  std::string path;        // unix; "@name" is in the abstract namespace

  bool abstract() const { return !path.empty() && path.front() == '@'; }
};

Result<Address> parse_address(std::string_view text);
// As parse_address() takes it.
std::string to_string(const Address& address);

// "public=tcp:HOST:PORT".
struct NamedAddress {
  std::string name;
  Address address;
};
Result<NamedAddress> parse_named_address(std::string_view text);

// Names of services and listeners: [A-Za-z0-9._-]{1,64}.
bool valid_name(std::string_view name);

}  // namespace handoff::supervisor
