// Asks a process on probation whether it is well, again and again: connects, or gets a page, or
// runs a program. What the answers come down to is the core's to say.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/config/config.h"
#include "supervisor/core/events.h"
#include "supervisor/core/exit.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class HealthWatch {
 public:
  using Heard = std::function<void(HealthHeard)>;

  // heard is called on the loop, never inside watch().
  HealthWatch(uv_loop_t* loop, HealthCheck check, Heard heard);
  ~HealthWatch();
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // The first answer as soon as there is one, then one each interval. generation 0: nobody is
  // watched. address is the listener's; pid and address are told to a program that is run.
  void watch(Generation generation, pid_t pid, const std::string& address);
  // Whoever is watched is forgotten if it is another check than before: watch() begins anew.
  void set_check(HealthCheck check);
  // A child ended. false: it was not the check's.
  bool ended(pid_t pid, const Exit& exit);

 private:
  void begin();
  void connect();
  void ready(int events);
  void read_answer();
  void run();
  void conclude(bool healthy, const std::string& why);
  void let_go();

  uv_loop_t* loop_;
  HealthCheck check_;
  Heard heard_;
  Generation generation_ = 0;
  pid_t pid_ = -1;
  std::string address_;
  UniqueFd socket_;
  std::unique_ptr<Poll> poll_;  // goes before socket_ does
  bool connected_ = false;
  std::string answer_;
  pid_t program_ = -1;
  bool asking_ = false;
  Timer next_;
  Timer patience_;
};

}  // namespace handoff::supervisor
