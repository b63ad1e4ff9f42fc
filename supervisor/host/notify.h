// What systemd (or whoever set NOTIFY_SOCKET) is told. Nothing happens without it.
#pragma once

#include <string>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

class Notify {
 public:
  void ready(const std::string& status);  // READY=1 the first time, then STATUS alone
  void status(const std::string& status);
  // within: how long that may take. systemd waits as long, whatever its TimeoutStopSec= is.
  void stopping(Duration within);
  // There is somebody to notify.
  static bool heard();
  // Has systemd keep a duplicate of fd under that name over restarts; no longer.
  // (FileDescriptorStoreMax= says how many it keeps.)
  void store(const std::string& name, int fd);
  void remove(const std::string& name);

 private:
  bool ready_ = false;
  std::string last_;
};

}  // namespace handoff::supervisor
