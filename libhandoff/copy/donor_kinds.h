// What the donor's kinds, sections and regions are called here, and in which versions they travel.
#pragma once

#include <cstdint>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

struct DonorKind {
  std::uint32_t ours = 0;     // the index here
  std::uint32_t version = 0;  // 0: it stays with the donor
  bool section = false;
  bool region = false;
};

// By the number that the donor gives them; from negotiation. An Error: this side has none of it.
Result<std::vector<DonorKind>> map_kinds(const Registry& registry, const core::Manifest& donor,
                                         const std::vector<std::uint32_t>& versions);

}  // namespace handoff::io
