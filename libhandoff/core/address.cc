#include "libhandoff/core/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "libhandoff/base/text.h"

namespace handoff::core {
namespace {

constexpr std::size_t kMaxUnixPath = 107;  // sun_path without its NUL, unix(7)
constexpr std::size_t kMaxInterface = 15;  // IFNAMSIZ without its NUL, netdevice(7)

constexpr const char* kForms =
    "expected tcp:HOST:PORT, tcp:[V6]:PORT, udp:HOST:PORT, unix:/PATH or unix:@ABSTRACT";

tl::unexpected<std::string> wrong(std::string_view text, const std::string& why) {
  return tl::unexpected("\"" + std::string(text) + "\" is no address: " + why);
}

// An address that means nothing without the link that it is on. Of any other the kernel ignores it.
bool is_of_a_link(const in6_addr& address) {
  return IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MC_LINKLOCAL(&address) ||
         IN6_IS_ADDR_MC_NODELOCAL(&address);
}

// A numeric host as the kernel's are printed: 0:0::1 is ::1; nullopt if it is none. inet_pton(3)
// stops at a NUL and knows no scope (%eth0), so both are looked at here.
std::optional<std::string> plain(const std::string& host, bool v6) {
  const auto is_graphic = [](char c) { return c > ' ' && c < 0x7f; };
  if (!std::all_of(host.begin(), host.end(), is_graphic)) return std::nullopt;
  const int family = v6 ? AF_INET6 : AF_INET;
  const std::size_t percent = v6 ? std::min(host.find('%'), host.size()) : host.size();
  const std::string scope = host.substr(percent);
  if (scope.size() == 1 || scope.size() > kMaxInterface + 1) return std::nullopt;
  in6_addr parsed{};
  char text[INET6_ADDRSTRLEN] = {};
  if (::inet_pton(family, host.substr(0, percent).c_str(), &parsed) != 1 ||
      ::inet_ntop(family, &parsed, text, sizeof text) == nullptr) {
    return std::nullopt;
  }
  return v6 && is_of_a_link(parsed) ? text + scope : text;
}

tl::expected<Address, std::string> parse_unix(std::string_view text, std::string_view rest) {
  Address address{.kind = Address::Kind::kUnix};
  if (rest.size() < 2 || (rest.front() != '/' && rest.front() != '@')) {
    return wrong(text, "after unix: comes an absolute path, or @ and an abstract name");
  }
  if (rest.size() > kMaxUnixPath) {
    return wrong(text, "a Unix socket's path has at most 107 bytes");
  }
  if (rest.find('\0') != std::string_view::npos) return wrong(text, "there is a NUL in the path");
  // Addresses travel in messages as protobuf strings.
  if (!is_utf8(rest)) return wrong(text, "the path is no UTF-8");
  address.abstract = rest.front() == '@';
  address.host = rest.substr(address.abstract ? 1 : 0);
  return address;
}

}  // namespace

tl::expected<Address, std::string> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));
  if (!text.starts_with("tcp:") && !text.starts_with("udp:")) return wrong(text, kForms);
  Address address;
  if (text.starts_with("udp:")) address.kind = Address::Kind::kUdp;
  const std::string_view rest = text.substr(4);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return wrong(text, kForms);
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) {
    return wrong(text, "the port \"" + std::string(port) + "\" is not a number from 0 to 65535");
  }
  address.port = static_cast<std::uint16_t>(number);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    address.v6 = true;
    host = host.substr(1, host.size() - 2);
  }
  auto numeric = plain(std::string(host), address.v6);
  if (!numeric) {
    if (!address.v6 && host.find(':') != std::string_view::npos) {
      return wrong(text, "an IPv6 address goes in brackets, e.g. tcp:[::1]:7000");
    }
    return wrong(text, "the host \"" + std::string(host) +
                           "\" is not a numeric address (names are not looked up), e.g. 127.0.0.1, "
                           "0.0.0.0, [::]");
  }
  address.host = std::move(*numeric);
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

bool is_at(const Address& bound, const Address& said) {
  const bool on_any_link = said.v6 && said.host.find('%') == std::string::npos;
  const std::size_t end = on_any_link ? bound.host.find('%') : std::string::npos;
  return bound.kind == said.kind && bound.v6 == said.v6 && bound.abstract == said.abstract &&
         (said.port == 0 || bound.port == said.port) && bound.host.substr(0, end) == said.host;
}

bool valid_name(std::string_view name) {
  return valid_version(name) && name.find_first_of("+~") == std::string_view::npos;
}

bool valid_version(std::string_view version) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-";
  return !version.empty() && version.size() <= 64 &&
         version.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace handoff::core
