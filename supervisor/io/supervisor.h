// The whole of `handoff run`: the services, the way in for operators, signals, systemd.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "config.h"
#include "io/control_server.h"
#include "io/notify.h"
#include "io/reaper.h"
#include "io/runtime_dir.h"
#include "io/service_runner.h"

namespace handoff::supervisor {

class Supervisor {
 public:
  // Takes the runtime folder, binds the listeners, opens the releases: whatever can be refused is
  // refused before the first process runs.
  static Result<std::unique_ptr<Supervisor>> open(uv_loop_t* loop, const Config& config,
                                                  const std::string& runtime);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void start();
  // Nothing is left to do: the loop may end.
  bool over() const { return over_; }

 private:
  struct StatusRequest;

  Supervisor(uv_loop_t* loop, RuntimeDir runtime, UniqueFd control);

  void serve(const ClientPtr& client, const nlohmann::json& request);
  void serve_status(const ClientPtr& client, const std::vector<ServiceRunner*>& services);
  void child_ended(pid_t pid, const Exit& exit);
  void changed();
  void stop_asked(const char* signal);

  uv_loop_t* loop_;
  RuntimeDir runtime_;
  Notify notify_;
  std::map<std::string, std::unique_ptr<ServiceRunner>> services_;
  std::unique_ptr<ControlServer> control_;
  std::map<StatusRequest*, std::shared_ptr<StatusRequest>> status_requests_;
  Reaper reaper_;
  SignalWatch term_;
  SignalWatch int_;
  SignalWatch hup_;
  bool started_ = false;
  bool stopping_ = false;
  bool over_ = false;
};

}  // namespace handoff::supervisor
