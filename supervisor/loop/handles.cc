#include "supervisor/loop/handles.h"

#include <stdexcept>
#include <string>

namespace handoff::supervisor {
namespace {

template <class T>
void close_and_delete(T* handle) {
  handle->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(handle),
           [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
}

// A handle that can't be made is a bug or a machine without memory: there is nothing to go on with.
void must(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string(what) + ": " + uv_strerror(result));
}

}  // namespace

Time now() { return Time(Duration(static_cast<std::int64_t>(uv_hrtime()))); }

void CloseHandle::operator()(uv_timer_t* handle) const { close_and_delete(handle); }
void CloseHandle::operator()(uv_poll_t* handle) const { close_and_delete(handle); }
void CloseHandle::operator()(uv_signal_t* handle) const { close_and_delete(handle); }
void CloseHandle::operator()(uv_pipe_t* handle) const { close_and_delete(handle); }
void CloseHandle::operator()(uv_fs_event_t* handle) const { close_and_delete(handle); }
void CloseHandle::operator()(uv_async_t* handle) const { close_and_delete(handle); }

Timer::Timer(uv_loop_t* loop, std::function<void()> fired) : fired_(std::move(fired)) {
  auto raw = std::make_unique<uv_timer_t>();
  must(uv_timer_init(loop, raw.get()), "uv_timer_init");
  handle_.reset(raw.release());
  handle_->data = this;
}

void Timer::at(std::optional<Time> time) {
  if (!time) {
    uv_timer_stop(handle_.get());
    return;
  }
  uv_update_time(handle_->loop);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*time - now()).count();
  const auto fire = [](uv_timer_t* handle) {
    if (handle->data == nullptr) return;
    const auto fired = static_cast<Timer*>(handle->data)->fired_;  // the call may destroy the Timer
    fired();
  };
  // One more than is left: libuv's clock has whole milliseconds, and early is wrong.
  must(uv_timer_start(handle_.get(), fire, left < 0 ? 0 : static_cast<std::uint64_t>(left) + 1, 0),
       "uv_timer_start");
}

Poll::Poll(uv_loop_t* loop, int fd, std::function<void(int)> ready) : ready_(std::move(ready)) {
  auto raw = std::make_unique<uv_poll_t>();
  must(uv_poll_init(loop, raw.get(), fd), "uv_poll_init");
  handle_.reset(raw.release());
  handle_->data = this;
}

void Poll::watch(int events) {
  if (events == events_) return;
  events_ = events;
  if (events == 0) {
    uv_poll_stop(handle_.get());
    return;
  }
  const auto ready = [](uv_poll_t* handle, int status, int seen) {
    if (handle->data == nullptr) return;
    const auto call = static_cast<Poll*>(handle->data)->ready_;  // it may destroy the Poll
    // An error shows when the owner reads or writes, too.
    call(status < 0 ? UV_READABLE | UV_WRITABLE : seen);
  };
  must(uv_poll_start(handle_.get(), events, ready), "uv_poll_start");
}

SignalWatch::SignalWatch(uv_loop_t* loop, int number, std::function<void()> arrived)
    : arrived_(std::move(arrived)) {
  auto raw = std::make_unique<uv_signal_t>();
  must(uv_signal_init(loop, raw.get()), "uv_signal_init");
  handle_.reset(raw.release());
  handle_->data = this;
  const auto arrive = [](uv_signal_t* handle, int) {
    if (handle->data != nullptr) static_cast<SignalWatch*>(handle->data)->arrived_();
  };
  must(uv_signal_start(handle_.get(), arrive, number), "uv_signal_start");
}

Wakeup::Wakeup(uv_loop_t* loop, std::function<void()> woken) : woken_(std::move(woken)) {
  auto raw = std::make_unique<uv_async_t>();
  const auto arrived = [](uv_async_t* handle) {
    if (handle->data == nullptr) return;
    const auto call = static_cast<Wakeup*>(handle->data)->woken_;  // it may destroy the Wakeup
    call();
  };
  must(uv_async_init(loop, raw.get(), arrived), "uv_async_init");
  handle_.reset(raw.release());
  handle_->data = this;
}

void Wakeup::wake() { must(uv_async_send(handle_.get()), "uv_async_send"); }

FolderWatch::FolderWatch(uv_loop_t* loop, std::function<void(const std::string&)> happened)
    : happened_(std::move(happened)) {
  auto raw = std::make_unique<uv_fs_event_t>();
  must(uv_fs_event_init(loop, raw.get()), "uv_fs_event_init");
  handle_.reset(raw.release());
  handle_->data = this;
}

bool FolderWatch::start(const std::string& folder) {
  const auto happened = [](uv_fs_event_t* handle, const char* name, int, int) {
    if (handle->data == nullptr) return;
    // The call may destroy the FolderWatch.
    const auto call = static_cast<FolderWatch*>(handle->data)->happened_;
    call(name != nullptr ? name : "");
  };
  return uv_fs_event_start(handle_.get(), happened, folder.c_str(), 0) == 0;
}

}  // namespace handoff::supervisor
