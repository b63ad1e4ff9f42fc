// What takes too long for the loop: done on a thread of libuv's pool. What follows from it may take
// a while, too, as starting a process does. So of many that end at once, each has a turn of the
// loop to itself, and whatever else is ready comes in between.
#pragma once

#include <uv.h>

#include <functional>

namespace handoff::supervisor {

// run on a thread, then after on the loop, whose thread calls this. False: neither will be called.
bool on_a_thread(uv_loop_t* loop, std::function<void()> run, std::function<void()> after);

}  // namespace handoff::supervisor
