// libuv handles with an owner: made and started by a constructor, closed by the destructor. The
// uv_*_t itself lives on until libuv's close callback; the owner need not know.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

// The monotonic clock: the one place where it is read for the core.
Time now();

// What `delete` is for a libuv handle.
struct CloseHandle {
  void operator()(uv_timer_t* handle) const;
  void operator()(uv_poll_t* handle) const;
  void operator()(uv_signal_t* handle) const;
  void operator()(uv_pipe_t* handle) const;
  void operator()(uv_fs_event_t* handle) const;
  void operator()(uv_async_t* handle) const;
};
template <class T>
using Handle = std::unique_ptr<T, CloseHandle>;

class Timer {
 public:
  Timer(uv_loop_t* loop, std::function<void()> fired);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  // Never before that time; nullopt disarms. A timer that is not armed wakes nobody.
  void at(std::optional<Time> time);

 private:
  std::function<void()> fired_;
  Handle<uv_timer_t> handle_;
};

// Watches an fd that somebody else owns; destroy it before the fd is closed.
class Poll {
 public:
  Poll(uv_loop_t* loop, int fd, std::function<void(int events)> ready);
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;
  void watch(int events);  // UV_READABLE | UV_WRITABLE; 0 for nothing

 private:
  std::function<void(int)> ready_;
  Handle<uv_poll_t> handle_;
  int events_ = 0;
};

class SignalWatch {
 public:
  SignalWatch(uv_loop_t* loop, int number, std::function<void()> arrived);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  std::function<void()> arrived_;
  Handle<uv_signal_t> handle_;
};

// Calls woken on the loop.
class Wakeup {
 public:
  Wakeup(uv_loop_t* loop, std::function<void()> woken);
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  // From any thread, while this object is there. Once for several calls.
  void wake();

 private:
  std::function<void()> woken_;
  Handle<uv_async_t> handle_;
};

// What happens to the files in a folder (inotify).
class FolderWatch {
 public:
  // name: of the file; "" if that is not known.
  FolderWatch(uv_loop_t* loop, std::function<void(const std::string& name)> happened);
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;
  // False if there is no such folder.
  bool start(const std::string& folder);

 private:
  std::function<void(const std::string&)> happened_;
  Handle<uv_fs_event_t> handle_;
};

}  // namespace handoff::supervisor
