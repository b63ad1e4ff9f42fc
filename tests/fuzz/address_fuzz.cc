// An address, or NAME=ADDRESS, as a person types it. One that is accepted is written as it is read,
// and can travel in the protocol; the error of any other says why.
#include <algorithm>
#include <string>
#include <string_view>

#include "check.h"
#include "differential.h"
#include "handoff.pb.h"
#include "libhandoff/core/address.h"
#include "libhandoff/protocol/limits.h"
#include "supervisor/config/address.h"

namespace {

using namespace handoff;

void check(std::string_view typed, const core::Address& address) {
  // One of IPv6 may be written in many ways.
  CHECK_THAT(address.v6 || typed.find(address.host) != std::string_view::npos, address.host);
  if (address.kind != core::Address::Kind::kUnix) {
    std::string port(typed.substr(typed.rfind(':') + 1));
    port.erase(0, std::min(port.find_first_not_of('0'), port.size() - 1));
    CHECK_THAT(port == std::to_string(address.port), port);
  }
  const std::string text = to_string(address);
  const auto again = core::parse_address(text);
  CHECK_THAT(again, again.error());
  CHECK_THAT(*again == address, text);
  CHECK_THAT(address.host.find('\0') == std::string::npos, "a NUL in the host or the path");
  CHECK_THAT(!address.host.empty(), text);
  // A service reports its listeners to the supervisor.
  CHECK_THAT(text.size() <= protocol::kMaxReason, text);
  v1::Named named;
  named.set_address(text);
  CHECK_THAT(v1::Named().ParseFromString(named.SerializeAsString()), "it is no UTF-8: " + text);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  fuzz::be_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto address = core::parse_address(text);
  if (address) {
    check(text, *address);
  } else {
    CHECK_THAT(!address.error().empty(), "refused, and does not say why");
  }
  const auto named = supervisor::parse_named_address(text);
  if (named) {
    CHECK_THAT(core::valid_name(named->name), named->name);
    check(text, named->address);
  } else {
    CHECK_THAT(!named.error().message.empty(), "refused, and does not say why");
  }
  return 0;
}
