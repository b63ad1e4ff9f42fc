#include "supervisor/core/side.h"

namespace handoff::supervisor {

void Side::dismiss(Duration grace, bool term_first, Time now, Effects& out) {
  must_go = true;
  if (gone || killed) return;
  if (grace == Duration{} && !term_first) {
    kill(out);
  } else {
    next = now + grace;
  }
}

void Side::kill(Effects& out) {
  must_go = true;
  next.reset();
  if (gone || killed) return;
  killed = true;
  out.push_back(Signal{generation, true});
}

}  // namespace handoff::supervisor
