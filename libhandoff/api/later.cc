// The C ABI of what any thread may say: states that are put, and the ends of what was answered with
// HANDOFF_LATER. None of it touches what belongs to the handle's thread, handoff_last_error() too.
#include <new>
#include <string_view>

#include "libhandoff/api/handle.h"

using handoff::io::Told;

namespace {

// f(told): of a service with one lane.
template <class F>
int tell(handoff_t* h, F&& f) noexcept {
  if (h == nullptr) return -EINVAL;
  if (h->registry.lanes > 1) return HANDOFF_ERR_REJECTED;
  try {
    f(h->registry.told);
    return 0;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (...) {
    return HANDOFF_ERR_INTERNAL;
  }
}

bool valid(const void* data, size_t length) { return data != nullptr || length == 0; }
std::string bytes(const void* data, size_t length) {
  return length == 0 ? std::string() : std::string(static_cast<const char*>(data), length);
}
std::string_view words(const char* why) { return why == nullptr ? "" : why; }

}  // namespace

extern "C" {

int handoff_session_put(handoff_t* h, uint64_t id, const struct handoff_put* put) {
  if (put == nullptr || put->size < sizeof *put || id == 0 ||
      !valid(put->state, put->state_length) || !valid(put->input, put->input_length) ||
      !valid(put->output, put->output_length)) {
    return -EINVAL;
  }
  return tell(h, [&](Told& told) {
    told.put(id, {.state = bytes(put->state, put->state_length),
                  .input = bytes(put->input, put->input_length),
                  .output = bytes(put->output, put->output_length),
                  .flags = put->flags});
  });
}

int handoff_frozen(handoff_t* h, int result, const char* why) {
  return tell(h, [&](Told& told) { told.frozen(result, words(why)); });
}

int handoff_restored(handoff_t* h, uint64_t id, int result, const char* why) {
  if (id == 0) return -EINVAL;
  return tell(h, [&](Told& told) { told.restored(id, result, words(why)); });
}

uint64_t handoff_freeze_deadline(const handoff_t* h) {
  return h == nullptr ? 0 : h->registry.told.freeze_until();
}

}  // extern "C"
