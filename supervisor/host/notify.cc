#include "supervisor/host/notify.h"

#include <systemd/sd-daemon.h>

#include <cstdlib>

#include "libhandoff/base/text.h"

namespace handoff::supervisor {

void Notify::ready(const std::string& said) {
  const std::string text = printable(said);  // a newline begins another variable
  if (!ready_) {
    ready_ = true;
    last_ = text;
    (void)sd_notify(0, ("READY=1\nSTATUS=" + text).c_str());
    return;
  }
  status(text);
}

void Notify::status(const std::string& said) {
  const std::string text = printable(said);
  if (text == last_) return;
  last_ = text;
  (void)sd_notify(0, ("STATUS=" + text).c_str());
}

void Notify::store(const std::string& name, int fd) {
  (void)sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDNAME=" + name).c_str(), &fd, 1);
}

void Notify::remove(const std::string& name) {
  (void)sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str());
}

void Notify::stopping(Duration within) {
  (void)sd_notify(
      0, ("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=" + std::to_string(to_us(within)))
             .c_str());
}

bool Notify::heard() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

}  // namespace handoff::supervisor
