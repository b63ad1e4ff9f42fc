// Values of the protocol's types, made of a fuzzer's bytes: each is one that a sender may write.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/core/address.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::fuzz {

using In = FuzzedDataProvider;

inline std::uint64_t number(In& in) { return in.ConsumeIntegral<std::uint64_t>(); }

// A name that declarations.cc accepts.
inline std::string any_name(In& in) {
  std::string name = in.ConsumeRandomLengthString(protocol::kMaxName);
  return core::valid_name(name) ? name : "a";
}
inline std::string any_address(In& in) {
  std::string text = in.ConsumeRandomLengthString(120);
  if (in.ConsumeBool()) text.insert(0, "unix:/");
  return core::parse_address(text) ? text : "";
}

inline std::vector<protocol::Named> any_named(In& in) {
  std::vector<protocol::Named> out;
  for (auto n = in.ConsumeIntegralInRange(0, 4); n > 0; --n) {
    out.push_back({any_name(in), any_address(in), number(in), number(in),
                   in.ConsumeIntegral<std::uint32_t>()});
  }
  return out;
}

inline protocol::Manifest any_manifest(In& in) {
  protocol::Manifest out{.service = any_name(in), .release = any_name(in)};
  for (auto n = in.ConsumeIntegralInRange(0, 4); n > 0; --n) {
    protocol::Kind kind{.name = any_name(in), .section = in.ConsumeBool()};
    kind.version = in.ConsumeIntegral<std::uint32_t>();
    kind.region = in.ConsumeBool();
    for (auto k = in.ConsumeIntegralInRange(0, 4); k > 0; --k) {
      kind.reads.push_back(in.ConsumeIntegral<std::uint32_t>());
      kind.writes.push_back(in.ConsumeIntegral<std::uint32_t>());
    }
    if (in.ConsumeBool()) kind.listener = any_name(in);
    out.kinds.push_back(std::move(kind));
  }
  out.named = any_named(in);
  out.knows_listeners = in.ConsumeBool();
  return out;
}

}  // namespace handoff::fuzz
