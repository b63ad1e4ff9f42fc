// Connections that a service opens itself, by an address of handoff_listener()'s form.
#include "handoff/handoff.h"
#include "libhandoff/base/result.h"
#include "libhandoff/core/address.h"
#include "libhandoff/sys/socket.h"

extern "C" int handoff_connect(const char* address) {
  if (address == nullptr) return -EINVAL;
  try {
    const auto parsed = handoff::core::parse_address(address);
    if (!parsed || parsed->kind == handoff::core::Address::Kind::kUdp) return -EINVAL;
    auto fd = handoff::io::connect_address(*parsed);
    return fd ? fd->release() : fd.error().code;
  } catch (...) {
    return -ENOMEM;
  }
}
