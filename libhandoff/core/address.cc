#include "core/address.h"

#include <charconv>

namespace handoff::core {
namespace {

constexpr std::size_t kMaxUnixPath = 107;  // sun_path without its NUL

tl::unexpected<std::string> bad(std::string_view text, const std::string& why) {
  return tl::unexpected("address '" + std::string(text) + "': " + why +
                        "; use tcp:HOST:PORT, udp:HOST:PORT, unix:/PATH or unix:@NAME");
}

}  // namespace

tl::expected<Address, std::string> parse_address(std::string_view text) {
  Address address;
  std::string_view rest = text;
  const auto take = [&](std::string_view prefix) {
    if (!rest.starts_with(prefix)) return false;
    rest.remove_prefix(prefix.size());
    return true;
  };
  if (take("unix:")) {
    address.kind = Address::Kind::kUnix;
    address.abstract = take("@");
    if (rest.empty()) return bad(text, "the path is empty");
    if (!address.abstract && rest.front() != '/') return bad(text, "the path is not absolute");
    if (rest.size() > kMaxUnixPath) return bad(text, "the path is longer than 107 bytes");
    if (rest.find('\0') != std::string_view::npos) return bad(text, "the path has a NUL in it");
    address.host = rest;
    return address;
  }
  if (take("udp:")) {
    address.kind = Address::Kind::kUdp;
  } else if (!take("tcp:")) {
    return bad(text, "it begins with none of tcp:, udp:, unix:");
  }
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return bad(text, "it has no port");
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    address.v6 = true;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad(text, "an IPv6 host needs brackets");
  }
  const std::string_view allowed =
      address.v6 ? "0123456789abcdefABCDEF:.%abcdefghijklmnopqrstuvwxyz" : "0123456789.";
  if (host.empty() || host.find_first_not_of(allowed) != std::string_view::npos) {
    return bad(text, "the host is not numeric");
  }
  address.host = host;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (error != std::errc() || end != port.data() + port.size() || value > 65535) {
    return bad(text, "the port is not a number from 0 to 65535");
  }
  address.port = static_cast<std::uint16_t>(value);
  return address;
}

std::string to_string(const Address& address) {
  if (address.kind == Address::Kind::kUnix) {
    return std::string("unix:") + (address.abstract ? "@" : "") + address.host;
  }
  const std::string host = address.v6 ? "[" + address.host + "]" : address.host;
  return (address.kind == Address::Kind::kTcp ? "tcp:" : "udp:") + host + ":" +
         std::to_string(address.port);
}

}  // namespace handoff::core
