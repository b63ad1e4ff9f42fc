// A listener rests while there is no fd to accept with: level-triggered epoll would spin on it.
#include <sys/epoll.h>

#include <new>

#include "libhandoff/poll/kit.h"

using handoff::poll::Failed;

// The timer comes first: a listener that is not watched and that no timer wakes would never accept
// again. Without memory for it the loop spins, and serves those that it has.
void handoff_poll::rest(Listener& listener) {
  try {
    add_timer(
        100, false, [](void* user) { static_cast<handoff_poll*>(user)->wake_listeners(); }, this);
  } catch (const std::bad_alloc&) {
    return;
  }
  ::epoll_ctl(set_, EPOLL_CTL_DEL, listener.fd, nullptr);
  listener.rests = true;
}

// One that can't be watched for want of memory rests on.
void handoff_poll::wake_listeners() {
  for (auto& listener : listeners_) {
    if (!listener->rests || over() || closing_down_) continue;
    listener->rests = false;
    try {
      watch_listener(*listener);
    } catch (const Failed& e) {
      log(HANDOFF_LOG_ERROR, e.words);
      rest(*listener);
    }
  }
}
