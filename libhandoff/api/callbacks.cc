// The C ABI for the inside of callbacks: what they append to, and why they fail.
#include <string>
#include <string_view>

#include "handoff/poll.h"
#include "libhandoff/api/handle.h"
#include "libhandoff/protocol/limits.h"

using handoff::Result;
using handoff::api::run;
using handoff::io::Registry;

namespace {

// append: takes the bytes, and says whether that makes sense.
template <class Append>
int add(const void* data, std::size_t length, Append&& append) noexcept {
  if (data == nullptr && length > 0) return -EINVAL;
  try {
    return append(std::string_view(static_cast<const char*>(data), length)) ? 0 : -EINVAL;
  } catch (...) {
    return -ENOMEM;
  }
}

// A caller that ignores the result would hand over a session without these bytes: out remembers it.
int noted(handoff_saved_t* out, const char* name, int result) noexcept {
  if (result < 0 && out->error == 0) {
    out->error = result;
    out->failed = name;
  }
  return result;
}

template <class Append>
int save(const char* name, handoff_saved_t* out, const void* data, std::size_t length,
         Append&& append) noexcept {
  if (out == nullptr) return -EINVAL;
  out->given = true;
  return noted(out, name, add(data, length, append));
}

}  // namespace

extern "C" {

int handoff_buffer_append(handoff_buffer_t* b, const void* data, size_t length) {
  if (b == nullptr) return -EINVAL;
  const int result =
      add(data, length, [b](std::string_view bytes) { return b->bytes.append(bytes), true; });
  if (result < 0 && b->error == 0) b->error = result;
  return result;
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
  return save("handoff_save_state", out, data, length,
              [out](std::string_view b) { return out->state.append(b), true; });
}
int handoff_save_input(handoff_saved_t* out, const void* data, size_t length) {
  return save("handoff_save_input", out, data, length,
              [out](std::string_view b) { return out->input.append(b); });
}
int handoff_save_output(handoff_saved_t* out, const void* data, size_t length) {
  return save("handoff_save_output", out, data, length,
              [out](std::string_view b) { return out->output.append(b); });
}
int handoff_save_input_at(handoff_saved_t* out, uint64_t position, const void* data,
                          size_t length) {
  return save("handoff_save_input_at", out, data, length,
              [=](std::string_view b) { return out->input.append_at(position, b); });
}
int handoff_save_output_at(handoff_saved_t* out, uint64_t position, const void* data,
                           size_t length) {
  return save("handoff_save_output_at", out, data, length,
              [=](std::string_view b) { return out->output.append_at(position, b); });
}
int handoff_save_flags(handoff_saved_t* out, uint32_t flags) {
  if (out == nullptr) return -EINVAL;
  out->flags = flags;
  out->given = true;
  return 0;
}
static_assert(HANDOFF_LAYER_MAX == handoff::protocol::kMaxLayer);
int handoff_save_layer(handoff_saved_t* out, const void* data, size_t length) {
  if (out != nullptr && length > HANDOFF_LAYER_MAX - out->layer.view().size()) {
    return noted(out, "handoff_save_layer", -E2BIG);
  }
  return save("handoff_save_layer", out, data, length, [out](std::string_view b) {
    out->layer.append(b);
    return true;
  });
}
int handoff_save_given(const handoff_saved_t* out) { return out != nullptr && out->given ? 1 : 0; }

}  // extern "C"
