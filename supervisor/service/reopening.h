// Releases that the supervisor before this one has told of, while their files are opened again: on
// threads, since a disk may take its time, and a file of another mark has to be read whole. The
// service runs meanwhile. What needs one of the files waits here.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "supervisor/releases/reopen.h"

namespace handoff::supervisor {

class Reopening {
 public:
  explicit Reopening(uv_loop_t* loop) : loop_(loop) {}
  Reopening(const Reopening&) = delete;
  Reopening& operator=(const Reopening&) = delete;

  // release is open when done is called, or can't be started again. done may never be called if
  // this object goes.
  void begin(ReleasePtr release, Reopen from, std::function<void(const Result<void>&)> done);
  bool under_way() const { return !waiting_.empty(); }
  // When that one is done; now, if it is not under way.
  void when_done(const ReleasePtr& release, std::function<void()> then);

 private:
  uv_loop_t* loop_;
  std::map<ReleasePtr, std::vector<std::function<void()>>> waiting_;  // of each under way
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);
};

}  // namespace handoff::supervisor
