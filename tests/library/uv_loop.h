// A uv loop that a test turns by itself.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <uv.h>

namespace handoff::test {

// Closes what handles there are. uv_loop_close() comes once their owners have gone.
inline void close_handles(uv_loop_t* loop) {
  const auto close = [](uv_handle_t* handle, void*) {
    if (uv_is_closing(handle) == 0) uv_close(handle, nullptr);
  };
  uv_walk(loop, close, nullptr);
  uv_run(loop, UV_RUN_NOWAIT);
}

// One turn without waiting. False: there is nothing more to do.
inline bool turn_once(uv_loop_t* loop) {
  uv_run(loop, UV_RUN_NOWAIT);
  pollfd p{uv_backend_fd(loop), POLLIN, 0};
  return ::poll(&p, 1, 0) != 0 || uv_backend_timeout(loop) == 0;
}

}  // namespace handoff::test
