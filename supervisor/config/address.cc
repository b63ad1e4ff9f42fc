#include "supervisor/config/address.h"

namespace handoff::supervisor {

Result<NamedAddress> parse_named_address(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return fail(-EINVAL,
                "\"" + std::string(text) +
                    "\" is no listener: expected NAME=ADDRESS, e.g. public=tcp:0.0.0.0:7000");
  }
  NamedAddress named{.name = std::string(text.substr(0, equals))};
  if (!core::valid_name(named.name)) {
    return fail(-EINVAL,
                "\"" + named.name + "\" is no name: letters, digits, . _ - and at most 64");
  }
  auto address = core::parse_address(text.substr(equals + 1));
  if (!address) return fail(-EINVAL, address.error());
  named.address = std::move(*address);
  return named;
}

}  // namespace handoff::supervisor
