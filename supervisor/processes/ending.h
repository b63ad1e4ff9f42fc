// Ends processes that are no children of ours: by SIGTERM, after a grace by SIGKILL. Each is held
// by its pidfd before it is known again by its start, so that no signal reaches a stranger that has
// the number by then.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/core/kin.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class Ending {
 public:
  // How long a killed process may take: it may wait for a disk, and then nobody can help.
  static constexpr Duration kKilled = std::chrono::seconds(1);
  // Of one that has new children each time that we look. Its user's limit of processes is another
  // way to its end.
  static constexpr int kMostRounds = 50;

  // gone: all that end() was given have ended, or can't be ended. who is for the log.
  Ending(uv_loop_t* loop, std::string who, Duration grace, std::function<void()> gone);
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  // False if there is none that can be ended.
  bool end(const std::vector<ProcessSeen>& processes);
  // Nobody waits any longer.
  void hurry();

 private:
  struct One {
    ProcessSeen seen;
    UniqueFd pidfd;
    std::unique_ptr<Poll> poll;  // goes before pidfd does
  };
  bool signal(const One& one, int number);
  void ended(int pid);
  void kill_all();
  void give_up();
  void run_out();

  uv_loop_t* loop_;
  std::string who_;
  std::function<void()> gone_;
  bool kills_ = false;
  int rounds_ = 0;  // of killing
  std::vector<std::unique_ptr<One>> waits_;
  std::vector<std::unique_ptr<One>> ended_;  // until the next end(): one of them may be calling
  std::set<std::pair<int, std::uint64_t>> beyond_us_;
  Timer patience_;
};

}  // namespace handoff::supervisor
