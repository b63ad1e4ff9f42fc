// The C ABI of regions.
#include <string>

#include "libhandoff/api/handle.h"

using handoff::fail;
using handoff::Result;
using handoff::api::run_whole;
using handoff::io::Region;
using handoff::io::Service;

namespace {

const Region* find_region(const handoff_t* h, const char* name) noexcept {
  if (h == nullptr || name == nullptr) return nullptr;
  return h->service.registry().find_region(name);
}

template <class F>
int with_region(handoff_t* h, const char* name, F&& f) noexcept {
  if (name == nullptr) return -EINVAL;
  return run_whole(h, [&](Service& s) -> Result<void> {
    Region* const region = s.registry().find_region(name);
    if (region == nullptr) {
      return fail(HANDOFF_ERR_UNKNOWN, "region '" + std::string(name) + "' was not declared");
    }
    return f(s, *region);
  });
}

}  // namespace

extern "C" {

void* handoff_region_data(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region == nullptr ? nullptr : region->data();
}

size_t handoff_region_size(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region == nullptr ? 0 : region->size();
}

uint32_t handoff_region_version(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region == nullptr ? 0 : region->version();
}

int handoff_region_adopted(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region != nullptr && region->adopted() ? 1 : 0;
}

int handoff_region_grow(handoff_t* h, const char* name, size_t size) {
  return with_region(h, name, [&](Service& s, Region& region) -> Result<void> {
    const bool serves = s.state() == HANDOFF_STATE_OWNER || s.state() == HANDOFF_STATE_DONOR;
    if (!serves && !region.owned()) {
      return fail(HANDOFF_ERR_ORDER,
                  "region '" + region.name() + "' is not this process's to grow");
    }
    return region.grow(size);
  });
}

int handoff_region_set_version(handoff_t* h, const char* name, uint32_t version) {
  return with_region(h, name, [&](Service& s, Region& region) -> Result<void> {
    if (s.state() == HANDOFF_STATE_DONOR) {
      return fail(-EBUSY, "a handoff is under way, in the layout that it began with");
    }
    return region.set_version(version);
  });
}

}  // extern "C"
