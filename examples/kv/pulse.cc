#include "pulse.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace kv {
namespace {

void check(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + uv_strerror(result));
}

}  // namespace

void Pulse::start() {
  prepare_.data = this;
  timer_.data = this;
  check(uv_prepare_init(host_.loop(), &prepare_), "uv_prepare_init");
  check(uv_timer_init(host_.loop(), &timer_), "uv_timer_init");
  check(uv_prepare_start(&prepare_,
                         [](uv_prepare_t* p) { static_cast<Pulse*>(p->data)->before_sleep(); }),
        "uv_prepare_start");
}

void Pulse::stop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

bool Pulse::is_ours() const { return host_.service().state() != handoff::State::kRetired; }

void Pulse::before_sleep() {
  if (!is_ours()) return;
  resume_released();
  arm();
}

void Pulse::resume_released() {
  while (true) {
    const auto released = engine_.waiting.take_released();
    if (released.empty()) return;
    for (const std::uint64_t id : released) {
      if (auto* stream = host_.find(id)) stream->resume();
    }
  }
}

void Pulse::arm() {
  const Time next = engine_.next_event();
  if (next == armed_for_) return;
  armed_for_ = next;
  if (next == kNever) {
    uv_timer_stop(&timer_);
    return;
  }
  const Time delay_ms = std::max<Time>(0, next - engine_.read_clock() + 999) / 1000;
  uv_update_time(host_.loop());
  uv_timer_start(
      &timer_,
      [](uv_timer_t* t) {
        auto& self = *static_cast<Pulse*>(t->data);
        self.armed_for_ = kNever;
        if (self.is_ours()) self.engine_.tick();
      },
      static_cast<std::uint64_t>(delay_ms), 0);
}

}  // namespace kv
