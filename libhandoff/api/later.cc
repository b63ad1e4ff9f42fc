// The C ABI of what any thread may say: states that are put, and the ends of what was answered with
// HANDOFF_LATER. None of it touches what belongs to the handle's thread, handoff_last_error() too.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "libhandoff/api/handle.h"

using handoff::io::Told;

namespace {

// f(told): of the handle's lane.
template <class F>
int tell(handoff_t* h, F&& f) noexcept {
  if (h == nullptr) return -EINVAL;
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
std::string_view view(const void* data, size_t length) {
  return length == 0 ? std::string_view()
                     : std::string_view(static_cast<const char*>(data), length);
}
std::string bytes(const void* data, size_t length) { return std::string(view(data, length)); }
std::string_view words(const char* why) { return why == nullptr ? "" : why; }

}  // namespace

extern "C" {

int handoff_session_put(handoff_t* h, uint64_t id, const struct handoff_put* given) {
  // A program that was built before there was more gives less.
  constexpr std::size_t kFirst = offsetof(handoff_put, input_position);
  if (given == nullptr || given->size < kFirst || id == 0) return -EINVAL;
  handoff_put put{};
  std::memcpy(&put, given, std::min(given->size, sizeof put));
  if (!valid(put.state, put.state_length) || !valid(put.input, put.input_length) ||
      !valid(put.output, put.output_length) || !valid(put.layer, put.layer_length) ||
      (put.placed & ~HANDOFF_PUT_PLACED) != 0) {
    return -EINVAL;
  }
  if (put.placed != 0 && (put.input_length > UINT64_MAX - put.input_position ||
                          put.output_length > UINT64_MAX - put.output_position)) {
    return -EINVAL;
  }
  if (put.layer_length > HANDOFF_LAYER_MAX) return -E2BIG;
  return tell(h, [&](Told& told) {
    Told::State state{.state = bytes(put.state, put.state_length),
                      .input = bytes(put.input, put.input_length),
                      .output = bytes(put.output, put.output_length),
                      .flags = put.flags};
    if (put.placed != 0) state.at = {put.input_position, put.output_position};
    state.layer.append(view(put.layer, put.layer_length));
    told.put(id, std::move(state));
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
