// What a handoff_t is, and the ways in through it. Each turns a Result into the number that the C
// ABI returns, keeps the words for handoff_last_error(), and lets no exception out.
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/text.h"
#include "libhandoff/process/service.h"

// A lane. Lane 0's handle is the service's own, and owns it.
struct handoff_service {
 private:
  // Lane 0 is reached through the service.
  template <class F>
  auto on_lane(F&& f) const {
    return std::visit([&](auto* l) { return f(*l); }, lane);
  }

 public:
  explicit handoff_service(std::unique_ptr<handoff::io::Service> whole)
      : owned(std::move(whole)), service(*owned), registry(owned->registry()), lane(owned.get()) {
    for (const auto& other : service.lanes()) {
      others.push_back(std::make_unique<handoff_service>(service, *other));
    }
  }
  handoff_service(handoff::io::Service& whole, handoff::io::Lane& other)
      : service(whole), registry(other.registry()), lane(&other) {}

  bool whole_service() const { return owned != nullptr; }

  int state() const {
    return on_lane([](auto& l) { return l.state(); });
  }
  int fd() const {
    return on_lane([](auto& l) { return l.fd(); });
  }
  handoff::Result<void> wait(int timeout_ms) const {
    return on_lane([&](auto& l) { return l.wait(timeout_ms); });
  }
  handoff::Result<void> dispatch() const {
    return on_lane([](auto& l) { return l.dispatch(); });
  }
  // A session of this lane was opened, released, or has ended.
  void sessions_changed() const {
    on_lane([](auto& l) { l.sessions_changed(); });
  }
  // Lane 0 can't look into the registry of another lane's thread, so that lane counts for it. Of
  // its own sessions lane 0 needs no count.
  void session_touched() const {
    if (auto* const* other = std::get_if<handoff::io::Lane*>(&lane)) (*other)->count_sessions();
  }

  std::unique_ptr<handoff::io::Service> owned = {};
  handoff::io::Service& service;
  handoff::io::Registry& registry;  // of this lane
  std::vector<std::unique_ptr<handoff_service>> others = {};
  std::string last_error = {};
  bool inside = false;  // a callback is running: most functions may not be called

 private:
  std::variant<handoff::io::Service*, handoff::io::Lane*> lane;
};

namespace handoff::api {

// For any lane. f(handle) returns Result<void>; its error becomes the return value and the last
// error.
template <class F>
int run(handoff_t* h, F&& f) noexcept {
  if (h == nullptr) return -EINVAL;
  try {
    const Result<void> result = f(*h);
    if (result) return 0;
    h->last_error = printable(result.error().message);
    return result.error().code;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& e) {
    try {
      h->last_error = printable(e.what());
    } catch (...) {  // NOLINT(bugprone-empty-catch): then without words
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): what it was can't be said
  }
  return HANDOFF_ERR_INTERNAL;
}

// For what concerns the service as a whole: f(service), by its own handle alone.
template <class F>
int run_whole(handoff_t* h, F&& f) noexcept {
  return run(h, [&](handoff_t& handle) -> Result<void> {
    if (!handle.whole_service()) {
      return fail(HANDOFF_ERR_ORDER,
                  "this is for the service's own handle, not for that of a lane");
    }
    return f(handle.service);
  });
}

// For functions that call back. None of them may be called from inside a callback.
template <class F>
int run_outside(handoff_t* h, F&& f) noexcept {
  if (h == nullptr) return -EINVAL;
  if (h->inside) return HANDOFF_ERR_ORDER;
  h->inside = true;
  const int result = run(h, f);
  h->inside = false;
  return result;
}

}  // namespace handoff::api
