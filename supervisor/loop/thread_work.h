// What takes too long for the loop: done on a thread of libuv's pool.
#pragma once

#include <uv.h>

#include <functional>

namespace handoff::supervisor {

// run on a thread, then after on the loop. False: neither will be called.
bool on_a_thread(uv_loop_t* loop, std::function<void()> run, std::function<void()> after);

}  // namespace handoff::supervisor
