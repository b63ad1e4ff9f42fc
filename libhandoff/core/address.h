// The addresses of listeners as people write them: tcp:127.0.0.1:7000, tcp:[::1]:7000,
// udp:0.0.0.0:53, unix:/run/x.sock, unix:@abstract. Hosts are numeric: looking up a name may block
// a start, and the name may mean another host at the next one. An address of one link has the
// link's interface, tcp:[fe80::1%eth0]:7000, unless the socket is bound to a device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tl/expected.hpp"

namespace handoff::core {

struct Address {
  enum class Kind : std::uint8_t { kTcp, kUdp, kUnix };
  Kind kind = Kind::kTcp;
  bool v6 = false;
  // Without brackets, and as the kernel's addresses are printed, however it was written; for kUnix
  // the path, or the abstract name after '@'.
  std::string host;
  bool abstract = false;
  std::uint16_t port = 0;

  friend bool operator==(const Address&, const Address&) = default;
};

// The error is a sentence for the person who wrote the address.
tl::expected<Address, std::string> parse_address(std::string_view text);
std::string to_string(const Address& address);
// Whether a socket that is bound there is what is said: port 0 is any port, and without an
// interface an address of one link is that of any.
bool is_at(const Address& bound, const Address& said);

// Names of services, listeners, kinds: [A-Za-z0-9._-]{1,64}.
bool valid_name(std::string_view name);
// The version of a release: [A-Za-z0-9._+~-]{1,64}. Packages of Debian and semver.org's build
// metadata have a + or a ~ in theirs.
bool valid_version(std::string_view version);

}  // namespace handoff::core
