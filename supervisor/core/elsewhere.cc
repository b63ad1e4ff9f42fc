#include "supervisor/core/elsewhere.h"

#include <arpa/inet.h>

#include <algorithm>

namespace handoff::supervisor {
namespace {

// In the form that the kernel's addresses are printed in; a scope (%eth0) stays as it is.
std::string plain(const core::Address& address) {
  if (address.kind == core::Address::Kind::kUnix) return address.host;
  const int family = address.v6 ? AF_INET6 : AF_INET;
  const std::size_t scope = std::min(address.host.find('%'), address.host.size());
  in6_addr number{};
  char text[INET6_ADDRSTRLEN] = {};
  if (::inet_pton(family, address.host.substr(0, scope).c_str(), &number) != 1 ||
      ::inet_ntop(family, &number, text, sizeof text) == nullptr) {
    return address.host;
  }
  return text + address.host.substr(scope);
}

}  // namespace

bool is_at(const core::Address& bound, const core::Address& said) {
  return bound.kind == said.kind && bound.v6 == said.v6 && bound.abstract == said.abstract &&
         (said.port == 0 || bound.port == said.port) && plain(bound) == plain(said);
}

std::vector<Elsewhere> elsewhere(const std::vector<BoundListener>& bound,
                                 const std::vector<SaidListener>& said) {
  std::vector<Elsewhere> out;
  for (const BoundListener& one : bound) {
    const auto wanted = std::ranges::find(said, one.name, &SaidListener::name);
    const auto address = core::parse_address(one.address);
    if (wanted == said.end() || !address || is_at(*address, wanted->address)) continue;
    out.push_back({one.name, one.address, core::to_string(wanted->address)});
  }
  return out;
}

std::string tell(const Elsewhere& one, const std::string& service) {
  return "listener " + one.name + " listens at " + one.address + ", and the configuration says " +
         one.configured + ": it moves at the next upgrade (handoff upgrade " + service +
         " or handoff restart " + service + ")";
}

}  // namespace handoff::supervisor
