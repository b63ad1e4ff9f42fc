// Listeners that the kit's author has not named, and those at other addresses of a name.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "handoff/detail/offered_lanes.hpp"
#include "libhandoff/poll/kit.h"

using handoff::detail::OfferedLanes;
using handoff::poll::Failed;

// False for one that is not this kit's to serve. Only to declare it tells whether it was declared
// or given back by somebody else.
bool handoff_poll::declare_offered(const char* name, const char* address) {
  if (!first_lane_) {
    if (!OfferedLanes::known(handle_)) {
      throw Failed{HANDOFF_ERR_ORDER,
                   "handoff_poll_listen_offered() of lane 0 comes before that of other lanes"};
    }
    return OfferedLanes::has(handle_, name);
  }
  OfferedLanes::declared(handle_, "");
  const int result = handoff_listener(handle_, name, address);
  if (result == HANDOFF_ERR_DUPLICATE) return false;
  if (result < 0) throw Failed{result, handoff_last_error(handle_)};
  OfferedLanes::declared(handle_, name);
  return true;
}

int handoff_poll::listen_offered(const handoff_conn_ops& ops, void* context) {
  const std::string kind = ops.kind == nullptr ? "session" : ops.kind;
  int count = 0;
  const char* name = nullptr;
  const char* address = nullptr;
  for (std::size_t i = 0; handoff_offered(handle_, i, &name, &address) > 0; ++i) {
    const auto is_it = [name](const auto& other) { return other->name == name; };
    if (std::any_of(listeners_.begin(), listeners_.end(), is_it)) continue;
    if (!declare_offered(name, address)) continue;
    if (count++ == 0) claim_kind(name, kind, false);
    auto listener = std::make_unique<Listener>(
        Listener{.name = name, .kind = kind, .by_itself = false, .ops = ops, .context = context});
    listeners_.push_back(std::move(listener));
  }
  return count;
}

void handoff_poll::put_layer(const char* name, const handoff_conn_layer& layer, void* context) {
  if (handoff_state(handle_) != HANDOFF_STATE_DECLARING) {
    throw Failed{HANDOFF_ERR_ORDER, std::string("the layer of ") + name +
                                        " is declared too late: handoff_poll_layer() comes before "
                                        "the start"};
  }
  for (const auto& listener : listeners_) {
    if ((listener->outgoing ? listener->kind : listener->name) != name) continue;
    if (listener->has_layer()) {
      throw Failed{HANDOFF_ERR_DUPLICATE, std::string(name) + " has a layer already"};
    }
    listener->layer = layer;
    listener->layer_context = context;
    return;
  }
  throw Failed{HANDOFF_ERR_UNKNOWN, std::string("the layer of ") + name +
                                        ": no listener and no kind of outgoing connections has "
                                        "that name; declare it first"};
}

// Clients come to the other addresses of listeners that move, until the supervisor ends those.
void handoff_poll::take_earlier() {
  const std::size_t all = listeners_.size();
  for (std::size_t i = 0; i < all; ++i) {
    if (listeners_[i]->outgoing) continue;
    for (;;) {
      auto copy = std::make_unique<Listener>(*listeners_[i]);
      listeners_.reserve(listeners_.size() + 1);
      copy->fd = handoff_take_earlier(handle_, copy->name.c_str());
      if (copy->fd < 0) break;
      copy->earlier = true;
      listeners_.push_back(std::move(copy));
      set_nonblocking(listeners_.back()->fd);
      watch_listener(*listeners_.back());
    }
  }
}

void handoff_poll::end_earlier(Listener& listener) {
  if (!listener.earlier || listener.fd < 0) return;
  if (set_ >= 0) ::epoll_ctl(set_, EPOLL_CTL_DEL, listener.fd, nullptr);
  ::close(std::exchange(listener.fd, -1));
  listener.rests = false;
}
