// The engine's timers, and the input that goes on after a wait. The loop asks the engine for its
// next event before it sleeps, so there is one timer, and an idle process is never woken.
#ifndef HANDOFF_EXAMPLES_KV_PULSE_H
#define HANDOFF_EXAMPLES_KV_PULSE_H

#include <handoff/uv.hpp>

#include "engine.h"

namespace kv {

class Pulse {
 public:
  // Borrows both, which must outlive the loop's run.
  Pulse(handoff::uv::Host& host, Engine& engine) : host_(host), engine_(engine) {}
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  void start();
  // The handles are closed when the loop has turned once more.
  void stop();

 private:
  bool is_ours() const;  // false once the heir has everything
  void before_sleep();
  void resume_released();
  void arm();

  handoff::uv::Host& host_;
  Engine& engine_;
  uv_prepare_t prepare_{};
  uv_timer_t timer_{};
  Time armed_for_ = kNever;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_PULSE_H
