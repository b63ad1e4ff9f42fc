// The C ABI: checks arguments, turns Results into numbers, and lets no exception out.
#include "handoff/handoff.h"

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "libhandoff/process/service.h"

using handoff::Result;
using handoff::UniqueFd;
using handoff::io::Lane;
using handoff::io::Region;
using handoff::io::Registry;
using handoff::io::Service;

// One lane of a service: its first, which owns it all, or another.
struct handoff_service {
  std::unique_ptr<Service> owned = {};
  Service* service = nullptr;
  Lane* lane = nullptr;  // lane 0 is the service itself
  std::vector<std::unique_ptr<handoff_service>> others = {};
  std::string last_error = {};
  bool inside = false;  // a callback is running: most functions may not be called

  Registry& registry() const { return lane != nullptr ? lane->registry() : service->registry(); }
  int state() const { return lane != nullptr ? lane->state() : service->state(); }
  // A session of this lane was opened, touched, released, or has ended.
  void sessions_changed() const {
    if (lane != nullptr) {
      lane->sessions_changed();
    } else {
      service->sessions_changed();
    }
  }
};

namespace {

// Runs f, which returns Result<void>; its error becomes the return value and the last error.
template <class F>
int run_lane(handoff_t* h, F&& f) noexcept {
  if (h == nullptr) return -EINVAL;
  try {
    const Result<void> result = f(*h);
    if (result) return 0;
    h->last_error = result.error().message;
    return result.error().code;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& e) {
    try {
      h->last_error = e.what();
    } catch (...) {  // NOLINT(bugprone-empty-catch): then without words
    }
  } catch (...) {  // NOLINT(bugprone-empty-catch): what it was can't be said
  }
  return HANDOFF_ERR_INTERNAL;
}

// The same for what concerns the service as a whole, and so its first lane.
template <class F>
int run(handoff_t* h, F&& f) noexcept {
  return run_lane(h, [&](handoff_t& handle) -> Result<void> {
    if (handle.lane != nullptr) {
      return handoff::fail(HANDOFF_ERR_ORDER,
                           "this is for the service's own handle, not for that of a lane");
    }
    return f(*handle.service);
  });
}

template <class F>
int declare(handoff_t* h, F&& f) noexcept {
  return run(h, [&](Service& s) { return s.declare(f); });
}

// For the functions that call back: they may not be called from inside a callback.
template <class F>
int run_outside(handoff_t* h, F&& f) noexcept {
  if (h == nullptr) return -EINVAL;
  if (h->inside) return HANDOFF_ERR_ORDER;
  h->inside = true;
  const int result = run_lane(h, f);
  h->inside = false;
  return result;
}

int append(std::string& to, const void* data, std::size_t length) noexcept {
  if (data == nullptr && length > 0) return -EINVAL;
  try {
    to.append(static_cast<const char*>(data), length);
    return 0;
  } catch (...) {
    return -ENOMEM;
  }
}

const Region* find_region(const handoff_t* h, const char* name) noexcept {
  if (h == nullptr || name == nullptr) return nullptr;
  return h->service->registry().find_region(name);
}

template <class F>
int with_region(handoff_t* h, const char* name, F&& f) noexcept {
  if (name == nullptr) return -EINVAL;
  return run(h, [&](Service& s) -> Result<void> {
    Region* const region = s.registry().find_region(name);
    if (region == nullptr) {
      return handoff::fail(HANDOFF_ERR_UNKNOWN,
                           "region '" + std::string(name) + "' was not declared");
    }
    return f(s, *region);
  });
}

bool section_ops_complete(const handoff_section_ops& ops) {
  return ops.begin != nullptr && ops.read != nullptr && ops.end != nullptr &&
         ops.write != nullptr && ops.finish != nullptr && ops.reset != nullptr;
}

}  // namespace

extern "C" {

const char* handoff_strerror(int result) {
  switch (result) {
    case 0:
      return "no error";
    case HANDOFF_ERR_ABORTED:
      return "the handoff was given up";
    case HANDOFF_ERR_PROTOCOL:
      return "the peer broke the protocol";
    case HANDOFF_ERR_ORDER:
      return "called in the wrong order, or inside a callback";
    case HANDOFF_ERR_DUPLICATE:
      return "that name is declared already";
    case HANDOFF_ERR_UNKNOWN:
      return "no such name or id";
    case HANDOFF_ERR_VERSION:
      return "no version in common";
    case HANDOFF_ERR_IDENTITY:
      return "a socket is not the one that it should be";
    case HANDOFF_ERR_REJECTED:
      return "the service refused";
    case HANDOFF_ERR_INTERNAL:
      return "an internal error, or an exception in a callback";
    default: {
      const char* text = result < 0 ? ::strerrordesc_np(-result) : nullptr;
      return text != nullptr ? text : "unknown error";
    }
  }
}

const char* handoff_version(void) { return HANDOFF_VERSION; }

const char* handoff_last_error(const handoff_t* h) {
  return h == nullptr ? "" : h->last_error.c_str();
}

int handoff_open(handoff_t** out, const struct handoff_options* options) {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  if (options == nullptr) return -EINVAL;
  try {
    auto service = Service::open(*options);
    if (!service) {
      if (options->log != nullptr) {
        options->log(options->user, HANDOFF_LOG_ERROR, service.error().message.c_str());
      }
      return service.error().code;
    }
    auto handle = std::make_unique<handoff_service>();
    handle->owned = std::move(*service);
    handle->service = handle->owned.get();
    for (const auto& lane : handle->service->lanes()) {
      handle->others.push_back(std::make_unique<handoff_service>());
      handle->others.back()->service = handle->service;
      handle->others.back()->lane = lane.get();
    }
    *out = handle.release();
    return 0;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (...) {
    return HANDOFF_ERR_INTERNAL;
  }
}

int handoff_lane(handoff_t* h, uint32_t lane, handoff_t** out) {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  if (h == nullptr || h->lane != nullptr || lane > h->others.size()) return -EINVAL;
  *out = lane == 0 ? h : h->others[lane - 1].get();
  return 0;
}

void handoff_close(handoff_t* h) {
  if (h == nullptr || h->lane != nullptr) return;
  run(h, [](Service& s) -> Result<void> {
    s.shut();
    return {};
  });
  delete h;
}

int handoff_listener(handoff_t* h, const char* name, const char* address) {
  if (name == nullptr || address == nullptr || *address == '\0') return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_named(name, address); });
}

int handoff_claim(handoff_t* h, const char* name) {
  if (name == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_named(name, ""); });
}

int handoff_kind(handoff_t* h, const char* kind, uint32_t version) {
  if (kind == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_kind(kind, version); });
}

int handoff_state_step(handoff_t* h, const char* kind, uint32_t from, uint32_t to,
                       handoff_convert_fn convert, void* user) {
  if (kind == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_step(kind, {from, to}, {convert, user}); });
}

int handoff_buffer_append(handoff_buffer_t* b, const void* data, size_t length) {
  return b == nullptr ? -EINVAL : append(b->bytes, data, length);
}

int handoff_section(handoff_t* h, const char* name, const uint32_t* reads, size_t n_reads,
                    const uint32_t* writes, size_t n_writes, const struct handoff_section_ops* ops,
                    void* user) {
  if (name == nullptr || reads == nullptr || writes == nullptr || ops == nullptr || n_reads == 0 ||
      n_writes == 0 || ops->size < sizeof *ops || !section_ops_complete(*ops)) {
    return -EINVAL;
  }
  return declare(h, [&](Registry& r) {
    return r.declare_section({.name = name,
                              .reads = {reads, reads + n_reads},
                              .writes = {writes, writes + n_writes},
                              .ops = *ops,
                              .user = user});
  });
}

int handoff_region(handoff_t* h, const char* name, const uint32_t* reads, size_t n_reads,
                   uint32_t version, size_t max_size, const struct handoff_region_ops* ops,
                   void* user) {
  if (name == nullptr || reads == nullptr || n_reads == 0) return -EINVAL;
  if (ops != nullptr && ops->size < sizeof *ops) return -EINVAL;
  return declare(h, [&](Registry& r) {
    return r.declare_region({.name = name,
                             .reads = {reads, reads + n_reads},
                             .version = version,
                             .max_size = max_size,
                             .ops = ops == nullptr ? handoff_region_ops{} : *ops,
                             .user = user});
  });
}

int handoff_set_callbacks(handoff_t* h, const struct handoff_callbacks* callbacks, void* user) {
  if (callbacks == nullptr) return -EINVAL;
  return run_lane(h, [&](handoff_t& handle) {
    return handle.service->declare(
        [&](Registry&) { return handle.registry().set_callbacks(*callbacks, user); });
  });
}

int handoff_ready(handoff_t* h) {
  if (h != nullptr && h->lane != nullptr) return run(h, [](Service& s) { return s.ready(); });
  return run_outside(h, [](handoff_t& handle) { return handle.service->ready(); });
}

int handoff_wait(handoff_t* h, int timeout_ms) {
  return run_outside(h, [&](handoff_t& handle) {
    return handle.lane != nullptr ? handle.lane->wait(timeout_ms)
                                  : handle.service->wait(timeout_ms);
  });
}

int handoff_fd(const handoff_t* h) {
  if (h == nullptr) return -EINVAL;
  return h->lane != nullptr ? h->lane->fd() : h->service->fd();
}

int handoff_dispatch(handoff_t* h) {
  return run_outside(h, [](handoff_t& handle) {
    return handle.lane != nullptr ? handle.lane->dispatch() : handle.service->dispatch();
  });
}

int handoff_state(const handoff_t* h) { return h == nullptr ? HANDOFF_STATE_FAILED : h->state(); }

int handoff_supervised(const handoff_t* h) {
  return h != nullptr && h->service->supervised() ? 1 : 0;
}

uint64_t handoff_generation(const handoff_t* h) {
  return h == nullptr ? 0 : h->service->registry().generation;
}

int handoff_named_fd(const handoff_t* h, const char* name) {
  if (h == nullptr || name == nullptr) return -EINVAL;
  try {
    return h->service->registry().named_fd(name);
  } catch (...) {
    return -ENOMEM;
  }
}

const char* handoff_named_address(const handoff_t* h, const char* name) {
  if (h == nullptr || name == nullptr) return nullptr;
  try {
    const auto& named = h->service->registry().named;
    const auto it = named.find(name);
    return it == named.end() ? nullptr : it->second.address.c_str();
  } catch (...) {
    return nullptr;
  }
}

void* handoff_region_data(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region == nullptr ? nullptr : region->data();
}

size_t handoff_region_size(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region == nullptr ? 0 : region->size();
}

uint32_t handoff_region_version(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region == nullptr ? 0 : region->version();
}

int handoff_region_adopted(const handoff_t* h, const char* name) {
  const Region* const region = find_region(h, name);
  return region != nullptr && region->adopted() ? 1 : 0;
}

int handoff_region_grow(handoff_t* h, const char* name, size_t size) {
  return with_region(h, name, [&](Service& s, Region& region) -> Result<void> {
    const bool serves = s.state() == HANDOFF_STATE_OWNER || s.state() == HANDOFF_STATE_DONOR;
    if (!serves && !region.owned()) {
      return handoff::fail(HANDOFF_ERR_ORDER,
                           "region '" + region.name() + "' is not this process's to grow");
    }
    return region.grow(size);
  });
}

int handoff_region_set_version(handoff_t* h, const char* name, uint32_t version) {
  return with_region(h, name, [&](Service& s, Region& region) -> Result<void> {
    if (s.state() == HANDOFF_STATE_DONOR) {
      return handoff::fail(-EBUSY, "a handoff is under way, in the layout that it began with");
    }
    return region.set_version(version);
  });
}

int handoff_attach(handoff_t* h, const char* name, int fd) {
  UniqueFd owned(fd);  // taken, whatever comes of it
  if (name == nullptr || fd < 0) return -EINVAL;
  return run(h, [&](Service& s) { return s.attach(name, std::move(owned)); });
}

int handoff_errors(handoff_t* h, uint64_t more) {
  if (h == nullptr) return -EINVAL;
  h->service->count_errors(more);
  return 0;
}

int handoff_health(handoff_t* h, int healthy, const char* why) {
  return run(h, [&](Service& s) -> Result<void> {
    s.say_health({healthy != 0, why == nullptr ? "" : why});
    return {};
  });
}

int handoff_session_open(handoff_t* h, int fd, const struct handoff_session_options* options,
                         uint64_t* id) {
  if (id == nullptr) return -EINVAL;
  return run_lane(h, [&](handoff_t& handle) -> Result<void> {
    const int state = handle.state();
    if (state != HANDOFF_STATE_OWNER && state != HANDOFF_STATE_DONOR) {
      return handoff::fail(HANDOFF_ERR_ORDER, "only the owner of its sockets opens sessions");
    }
    auto opened = handle.registry().open_session(fd, options);
    if (!opened) return handoff::Failure(opened.error());
    *id = *opened;
    handle.sessions_changed();
    return {};
  });
}

int handoff_session_touch(handoff_t* h, uint64_t id) {
  return run_lane(h, [&](handoff_t& handle) -> Result<void> {
    auto touched = handle.registry().touch_session(id);
    if (touched && handle.lane != nullptr) handle.lane->sessions_changed();
    return touched;
  });
}

int handoff_session_closed(handoff_t* h, uint64_t id) {
  return run_lane(h, [&](handoff_t& handle) -> Result<void> {
    auto closed = handle.registry().close_session(id);
    if (closed) handle.sessions_changed();
    return closed;
  });
}

int handoff_session_hold(handoff_t* h, uint64_t id) {
  return run_lane(h, [&](handoff_t& handle) { return handle.registry().hold_session(id, true); });
}

int handoff_session_release(handoff_t* h, uint64_t id) {
  return run_lane(h, [&](handoff_t& handle) -> Result<void> {
    auto released = handle.registry().hold_session(id, false);
    if (released) handle.sessions_changed();
    return released;
  });
}

uint64_t handoff_session_count(const handoff_t* h) {
  return h == nullptr ? 0 : h->registry().sessions.size();
}

void handoff_reason(handoff_t* h, const char* why) {
  if (h == nullptr || why == nullptr) return;
  // A callback that all lanes share (a conversion, say) may not know for which of them it runs.
  Registry* const calling = Registry::calling();
  run_lane(h, [&](handoff_t& handle) -> Result<void> {
    (calling != nullptr ? *calling : handle.registry()).set_reason(why);
    return {};
  });
}

int handoff_save_state(handoff_saved_t* out, const void* data, size_t length) {
  return out == nullptr ? -EINVAL : append(out->state, data, length);
}
int handoff_save_input(handoff_saved_t* out, const void* data, size_t length) {
  return out == nullptr ? -EINVAL : append(out->input, data, length);
}
int handoff_save_output(handoff_saved_t* out, const void* data, size_t length) {
  return out == nullptr ? -EINVAL : append(out->output, data, length);
}
int handoff_save_flags(handoff_saved_t* out, uint32_t flags) {
  if (out == nullptr) return -EINVAL;
  out->flags = flags;
  return 0;
}

}  // extern "C"
