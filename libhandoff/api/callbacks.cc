// The C ABI for the inside of callbacks: what they append to, and why they fail.
#include <string>
#include <string_view>

#include "handoff/poll.h"
#include "libhandoff/api/handle.h"

using handoff::Result;
using handoff::api::run;
using handoff::io::Registry;

namespace {

int append(std::string& to, const void* data, std::size_t length) noexcept {
  if (data == nullptr && length > 0) return -EINVAL;
  try {
    to.append(static_cast<const char*>(data), length);
    return 0;
  } catch (...) {
    return -ENOMEM;
  }
}

// add: appends, and says whether that makes sense.
template <class Add>
int save(handoff_saved_t* out, const void* data, std::size_t length, Add&& add) noexcept {
  if (out == nullptr || (data == nullptr && length > 0)) return -EINVAL;
  out->given = true;
  try {
    return add(std::string_view(static_cast<const char*>(data), length)) ? 0 : -EINVAL;
  } catch (...) {
    return -ENOMEM;
  }
}

}  // namespace

extern "C" {

int handoff_buffer_append(handoff_buffer_t* b, const void* data, size_t length) {
  return b == nullptr ? -EINVAL : append(b->bytes, data, length);
}

void handoff_reason(handoff_t* h, const char* why) {
  if (h == nullptr || why == nullptr) return;
  // A callback that all lanes share (a conversion, say) may not know for which of them it runs.
  Registry* const calling = Registry::calling();
  run(h, [&](handoff_t& handle) -> Result<void> {
    (calling != nullptr ? *calling : handle.registry).set_reason(why);
    return {};
  });
}

int handoff_save_state(handoff_saved_t* out, const void* data, size_t length) {
  if (out == nullptr) return -EINVAL;
  out->given = true;
  return append(out->state, data, length);
}
int handoff_save_input(handoff_saved_t* out, const void* data, size_t length) {
  return save(out, data, length, [out](std::string_view b) { return out->input.append(b); });
}
int handoff_save_output(handoff_saved_t* out, const void* data, size_t length) {
  return save(out, data, length, [out](std::string_view b) { return out->output.append(b); });
}
int handoff_save_input_at(handoff_saved_t* out, uint64_t position, const void* data,
                          size_t length) {
  return save(out, data, length,
              [=](std::string_view b) { return out->input.append_at(position, b); });
}
int handoff_save_output_at(handoff_saved_t* out, uint64_t position, const void* data,
                           size_t length) {
  return save(out, data, length,
              [=](std::string_view b) { return out->output.append_at(position, b); });
}
int handoff_save_flags(handoff_saved_t* out, uint32_t flags) {
  if (out == nullptr) return -EINVAL;
  out->flags = flags;
  out->given = true;
  return 0;
}
int handoff_save_layer(handoff_saved_t* out, const void* data, size_t length) {
  if (out != nullptr && length > HANDOFF_LAYER_MAX - out->layer.view().size()) return -E2BIG;
  return save(out, data, length, [out](std::string_view b) {
    out->layer.append(b);
    return true;
  });
}
int handoff_save_given(const handoff_saved_t* out) { return out != nullptr && out->given ? 1 : 0; }

}  // extern "C"
