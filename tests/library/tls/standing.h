// A loop of an echo that stands still, so that it is another loop that accepts: from the line
// "stand", which is answered before, until another loop has the line "go".
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace handoff::test {

class Standing {
 public:
  static Standing& instance() {
    static Standing standing;
    return standing;
  }
  // Ends by itself where a test has failed.
  void wait() {
    std::unique_lock lock(mutex_);
    gone_.wait_for(lock, std::chrono::seconds(30), [this] { return goes_; });
    goes_ = false;
  }
  void go() {
    const std::lock_guard lock(mutex_);
    goes_ = true;
    gone_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable gone_;
  bool goes_ = false;
};

}  // namespace handoff::test
