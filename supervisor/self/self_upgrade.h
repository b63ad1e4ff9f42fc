// `handoff upgrade --self`: another program takes this process over, with its pid, its listeners
// and its children. It is tried first; one that does not run, is no handoff, does not take the
// options of this one or can't read its state changes nothing. Services see what they see when a
// supervisor dies, and come back to the next one.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/core/exit.h"
#include "supervisor/loop/handles.h"
#include "supervisor/self/trial.h"

namespace handoff::supervisor {

class SelfUpgrade {
 public:
  static constexpr Duration kCheckWithin = std::chrono::seconds(10);

  // done: "" if the program can take over, else why not.
  SelfUpgrade(uv_loop_t* loop, std::function<void(std::string why)> done);
  ~SelfUpgrade();
  SelfUpgrade(const SelfUpgrade&) = delete;
  SelfUpgrade& operator=(const SelfUpgrade&) = delete;

  // By one of these keys it has to be signed, as service=handoff; no keys: nothing is verified.
  // The signer for one of the services signs what runs with the supervisor's own rights.
  struct Verify {
    std::vector<std::string> keys;
    bool allow_downgrade = false;
  };
  // Runs `PROGRAM run --check ...` with this process's own options. "" for the file at this
  // program's own path.
  void check(const std::string& path, const Verify& verify);
  // The check's process has ended. false: it is another one.
  bool ended(pid_t pid, const Exit& exit);

  // After a successful check. fds by name (borrowed) go to the successor. Returns only on failure,
  // and then everything is as before.
  std::string take_over(const std::map<std::string, int>& fds) const;

  const std::string& path() const { return path_; }
  // Of the program that was checked.
  bool takes_state() const { return supervisor::takes_state(out_.text); }

 private:
  // What the check prints; read until it ends, kept as far as it is needed.
  struct Words {
    UniqueFd fd;
    std::unique_ptr<Poll> poll;
    std::string text;
  };

  void opened(Result<UniqueFd> program);
  void conclude(std::string why);
  Result<UniqueFd> open_pipe(Words& to);
  static bool read(Words& from);

  uv_loop_t* loop_;
  std::function<void(std::string)> done_;
  std::string path_;
  UniqueFd program_;
  std::vector<std::string> arguments_;  // of this process
  pid_t checking_ = -1;
  UniqueFd pidfd_;
  Words out_;  // its standard output: what it is
  Words err_;  // its standard error: why it is none
  Timer patience_;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for a thread that ends later
};

}  // namespace handoff::supervisor
