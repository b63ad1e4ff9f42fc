#include "address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>

namespace handoff::supervisor {
namespace {

constexpr std::string_view kHelp =
    "expected tcp:HOST:PORT, tcp:[V6]:PORT, udp:HOST:PORT, unix:/PATH or unix:@ABSTRACT";

Failure wrong(std::string_view text, std::string_view why) {
  return fail(-EINVAL, "\"" + std::string(text) + "\" is no address: " + std::string(why));
}

Result<Address> parse_inet(std::string_view text, std::string_view rest, Address address) {
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return wrong(text, kHelp);
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number > 65535) {
    return wrong(text, "the port \"" + std::string(port) + "\" is not a number from 0 to 65535");
  }
  address.port = static_cast<std::uint16_t>(number);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    address.v6 = true;
    host = host.substr(1, host.size() - 2);
  }
  address.host = host;
  in6_addr parsed{};
  if (::inet_pton(address.v6 ? AF_INET6 : AF_INET, address.host.c_str(), &parsed) != 1) {
    if (host.find(':') != std::string_view::npos && !address.v6) {
      return wrong(text, "an IPv6 address goes in brackets, e.g. tcp:[::1]:7000");
    }
    return wrong(text, "the host \"" + std::string(host) +
                           "\" is not a numeric address (names are not looked up), e.g. 127.0.0.1, "
                           "0.0.0.0, [::]");
  }
  return address;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  Address address;
  if (text.starts_with("tcp:")) return parse_inet(text, text.substr(4), address);
  if (text.starts_with("udp:")) {
    address.kind = Address::Kind::kUdp;
    return parse_inet(text, text.substr(4), address);
  }
  if (!text.starts_with("unix:")) return wrong(text, kHelp);
  address.kind = Address::Kind::kUnix;
  address.path = text.substr(5);
  if (address.path.size() < 2 || (address.path[0] != '/' && address.path[0] != '@')) {
    return wrong(text, "after unix: comes an absolute path, or @ and an abstract name");
  }
  if (address.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return wrong(text, "a Unix socket's path has at most " +
                           std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes");
  }
  return address;
}

std::string to_string(const Address& address) {
  if (address.kind == Address::Kind::kUnix) return "unix:" + address.path;
  std::string text = address.kind == Address::Kind::kTcp ? "tcp:" : "udp:";
  text += address.v6 ? "[" + address.host + "]" : address.host;
  return text + ":" + std::to_string(address.port);
}

Result<NamedAddress> parse_named_address(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return fail(-EINVAL,
                "\"" + std::string(text) +
                    "\" is no listener: expected NAME=ADDRESS, e.g. public=tcp:0.0.0.0:7000");
  }
  NamedAddress named{.name = std::string(text.substr(0, equals))};
  if (!valid_name(named.name)) {
    return fail(-EINVAL,
                "\"" + named.name + "\" is no name: letters, digits, . _ - and at most 64");
  }
  auto address = parse_address(text.substr(equals + 1));
  if (!address) return Failure(address.error());
  named.address = std::move(*address);
  return named;
}

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace handoff::supervisor
