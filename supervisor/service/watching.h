// `handoff run --watch`: an upgrade whenever the binary on the disk has been rebuilt.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "supervisor/releases/file_watch.h"
#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {

struct WatchOptions {
  bool all = false;
  std::set<std::string> services;  // else these
  Duration settle = std::chrono::milliseconds(300);
};

class Watching {
 public:
  Watching(uv_loop_t* loop, WatchOptions options);

  using Services = std::map<std::string, std::unique_ptr<ServiceRunner>>;
  // After every change: watches the files that they run by now.
  void follow(const Services& services);
  void stop() { watches_.clear(); }

 private:
  bool rebuilt(ServiceRunner& service, const std::string& path);

  uv_loop_t* loop_;
  WatchOptions options_;
  std::map<std::string, std::vector<std::unique_ptr<FileWatch>>> watches_;  // a service's files
};

}  // namespace handoff::supervisor
