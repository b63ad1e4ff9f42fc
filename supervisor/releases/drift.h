// Whether the file on the disk still is what runs. stat(2) answers for as long as nobody has
// touched the file; when somebody has, its digest tells, once for each state of the file, and not
// on the loop.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/releases/release.h"
#include "supervisor/releases/release_files.h"

namespace handoff::supervisor {

// Of the files of a release those that somebody has touched, replaced or removed since they were
// digested. A bundle that is gone is none of them.
std::vector<std::string> altered_files(const Release& release);

class Drift {
 public:
  explicit Drift(uv_loop_t* loop);
  ~Drift();
  Drift(const Drift&) = delete;
  Drift& operator=(const Drift&) = delete;

  // True: it is another by now, or gone (a bundle that is gone was unpacked, and is not missed).
  // nullopt: known will be told on the loop, or never if this object goes.
  std::optional<bool> look(const Release& release, const FileRules& rules,
                           std::function<void(bool)> known);

 private:
  struct State;
  uv_loop_t* loop_;
  std::shared_ptr<State> state_;
};

}  // namespace handoff::supervisor
