#include "io/notify.h"

#include <systemd/sd-daemon.h>

namespace handoff::supervisor {

void Notify::ready(const std::string& text) {
  if (!ready_) {
    ready_ = true;
    last_ = text;
    (void)sd_notify(0, ("READY=1\nSTATUS=" + text).c_str());
    return;
  }
  status(text);
}

void Notify::status(const std::string& text) {
  if (text == last_) return;
  last_ = text;
  (void)sd_notify(0, ("STATUS=" + text).c_str());
}

void Notify::stopping() { (void)sd_notify(0, "STOPPING=1\nSTATUS=stopping"); }

}  // namespace handoff::supervisor
