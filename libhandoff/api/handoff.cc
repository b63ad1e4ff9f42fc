// The C ABI of the service: opens it, declares what it has, and runs it. Sessions, regions and
// what callbacks call are beside this file.
#include "handoff/handoff.h"

#include <memory>
#include <new>
#include <string>

#include "libhandoff/api/handle.h"
#include "libhandoff/base/description.h"
#include "libhandoff/base/text.h"

using handoff::Failure;
using handoff::Result;
using handoff::api::run;
using handoff::api::run_outside;
using handoff::api::run_whole;
using handoff::io::Registry;
using handoff::io::Service;

namespace {

template <class F>
int declare(handoff_t* h, F&& f) noexcept {
  return run_whole(h, [&](Service& s) { return s.declare(f); });
}

bool section_ops_complete(const handoff_section_ops& ops) {
  return ops.begin != nullptr && ops.read != nullptr && ops.end != nullptr &&
         ops.write != nullptr && ops.finish != nullptr && ops.reset != nullptr;
}

}  // namespace

extern "C" {

const char* handoff_strerror(int result) { return handoff::description(result); }

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
        const std::string why = handoff::printable(service.error().message);
        options->log(options->user, HANDOFF_LOG_ERROR, why.c_str());
      }
      return service.error().code;
    }
    *out = std::make_unique<handoff_service>(std::move(*service)).release();
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
  if (h == nullptr || !h->whole_service() || lane > h->others.size()) return -EINVAL;
  *out = lane == 0 ? h : h->others[lane - 1].get();
  return 0;
}

void handoff_close(handoff_t* h) {
  if (h == nullptr || !h->whole_service()) return;
  run_whole(h, [](Service& s) -> Result<void> {
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

int handoff_offered(const handoff_t* h, size_t index, const char** name, const char** address) {
  if (h == nullptr) return -EINVAL;
  const auto* offer = h->service.offer(index);
  if (name != nullptr) *name = offer == nullptr ? nullptr : offer->name.c_str();
  if (address != nullptr) *address = offer == nullptr ? nullptr : offer->address.c_str();
  return offer == nullptr ? 0 : 1;
}

int handoff_give_back(handoff_t* h, const char* name, uint32_t flags) {
  if (name == nullptr || (flags & ~HANDOFF_GIVE_BACK_CLOSE) != 0) return -EINVAL;
  return run_whole(h, [&](Service& s) {
    return s.declare([&](Registry&) { return s.give_back(name, flags != 0); });
  });
}

int handoff_kind(handoff_t* h, const char* kind, uint32_t version) {
  if (kind == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_kind(kind, version); });
}

int handoff_stateless(handoff_t* h, const char* kind) {
  if (kind == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_stateless(kind); });
}

int handoff_no_snapshots(handoff_t* h, const char* kind) {
  if (kind == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_no_snapshots(kind); });
}

int handoff_listener_kind(handoff_t* h, const char* listener) {
  if (listener == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_listener_kind(listener); });
}

uint32_t handoff_kind_version(const handoff_t* h, const char* kind) {
  if (h == nullptr || kind == nullptr) return 0;
  return h->service.registry().kind_version(kind);
}

int handoff_state_step(handoff_t* h, const char* kind, uint32_t from, uint32_t to,
                       handoff_convert_fn convert, void* user) {
  if (kind == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_step(kind, {from, to}, {convert, user}); });
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

int handoff_blob(handoff_t* h, const char* name, handoff_blob_save_fn save,
                 handoff_blob_load_fn load, void* user) {
  if (name == nullptr || save == nullptr || load == nullptr) return -EINVAL;
  return declare(h, [&](Registry& r) { return r.declare_blob(name, save, load, user); });
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
  return run(h, [&](handoff_t& handle) {
    return handle.service.declare(
        [&](Registry&) { return handle.registry.set_callbacks(*callbacks, user); });
  });
}

int handoff_ready(handoff_t* h) {
  // The handle of a lane gets the words for it, also inside a callback.
  if (h != nullptr && !h->whole_service())
    return run_whole(h, [](Service& s) { return s.ready(); });
  return run_outside(h, [](handoff_t& handle) { return handle.service.ready(); });
}

int handoff_wait(handoff_t* h, int timeout_ms) {
  return run_outside(h, [&](handoff_t& handle) { return handle.wait(timeout_ms); });
}

int handoff_fd(const handoff_t* h) { return h == nullptr ? -EINVAL : h->fd(); }

int handoff_dispatch(handoff_t* h) {
  return run_outside(h, [](handoff_t& handle) { return handle.dispatch(); });
}

int handoff_state(const handoff_t* h) { return h == nullptr ? HANDOFF_STATE_FAILED : h->state(); }

int handoff_supervised(const handoff_t* h) {
  return h != nullptr && h->service.supervised() ? 1 : 0;
}

int handoff_has_supervisor(void) {
  try {
    return handoff::io::is_supervised() ? 1 : 0;
  } catch (...) {
    return 0;
  }
}

uint64_t handoff_generation(const handoff_t* h) {
  return h == nullptr ? 0 : h->service.registry().generation;
}

int handoff_named_fd(const handoff_t* h, const char* name) {
  if (h == nullptr || name == nullptr) return -EINVAL;
  try {
    return h->service.registry().named_fd(name);
  } catch (...) {
    return -ENOMEM;
  }
}

const char* handoff_named_address(const handoff_t* h, const char* name) {
  if (h == nullptr || name == nullptr) return nullptr;
  try {
    const auto& named = h->service.registry().named;
    const auto it = named.find(name);
    return it == named.end() ? nullptr : it->second.address.c_str();
  } catch (...) {
    return nullptr;
  }
}

int handoff_take_earlier(handoff_t* h, const char* name) {
  if (name == nullptr) return -EINVAL;
  int fd = -1;
  const int result = run_whole(h, [&](Service& s) -> Result<void> {
    auto taken = s.take_earlier(name);
    if (!taken) return Failure(taken.error());
    fd = taken->release();
    return {};
  });
  return result < 0 ? result : fd;
}

int handoff_attach(handoff_t* h, const char* name, int fd) {
  if (name == nullptr || fd < 0) return -EINVAL;
  return run_whole(h, [&](Service& s) { return s.attach(name, fd); });
}

int handoff_detach(handoff_t* h, const char* name) {
  if (name == nullptr) return -EINVAL;
  int fd = -1;
  const int result = run_whole(h, [&](Service& s) -> Result<void> {
    auto detached = s.detach(name);
    if (!detached) return Failure(detached.error());
    fd = detached->release();
    return {};
  });
  return result < 0 ? result : fd;
}

int handoff_errors(handoff_t* h, uint64_t more) {
  if (h == nullptr) return -EINVAL;
  h->service.count_errors(more);
  return 0;
}

int handoff_leave(handoff_t* h, const char* why) {
  return run_whole(h, [&](Service& s) { return s.leave(why == nullptr ? "" : why); });
}

int handoff_health(handoff_t* h, int healthy, const char* why) {
  return run_whole(h, [&](Service& s) -> Result<void> {
    s.say_health({healthy != 0, why == nullptr ? "" : why});
    return {};
  });
}

}  // extern "C"
