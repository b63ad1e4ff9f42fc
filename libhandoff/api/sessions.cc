// The C ABI of sessions, each of them on the lane of its handle.
#include <optional>
#include <string>

#include "libhandoff/api/handle.h"

using handoff::fail;
using handoff::Failure;
using handoff::Result;
using handoff::api::run;

extern "C" {

int handoff_session_open(handoff_t* h, int fd, const struct handoff_session_options* options,
                         uint64_t* id) {
  if (id == nullptr) return -EINVAL;
  return run(h, [&](handoff_t& handle) -> Result<void> {
    const int state = handle.state();
    if (state != HANDOFF_STATE_OWNER && state != HANDOFF_STATE_DONOR) {
      return fail(HANDOFF_ERR_ORDER, "only the owner of its sockets opens sessions");
    }
    auto opened = handle.registry.open_session(fd, options);
    if (!opened) return Failure(opened.error());
    *id = *opened;
    handle.sessions_changed();
    return {};
  });
}

int handoff_session_touch(handoff_t* h, uint64_t id) {
  return run(h, [&](handoff_t& handle) -> Result<void> {
    auto touched = handle.registry.touch_session(id);
    if (touched) handle.session_touched();
    return touched;
  });
}

int handoff_session_closed(handoff_t* h, uint64_t id) {
  return run(h, [&](handoff_t& handle) -> Result<void> {
    auto closed = handle.registry.close_session(id);
    if (closed) handle.sessions_changed();
    return closed;
  });
}

int handoff_session_hold(handoff_t* h, uint64_t id) {
  return run(h, [&](handoff_t& handle) { return handle.registry.hold_session(id, true); });
}

int handoff_session_hold_until(handoff_t* h, uint64_t id, uint64_t deadline_us) {
  if (deadline_us == 0 || deadline_us > INT64_MAX) return -EINVAL;
  return run(h, [&](handoff_t& handle) -> Result<void> {
    auto held = handle.registry.hold_session(id, true, static_cast<std::int64_t>(deadline_us));
    if (held) handle.sessions_changed();  // a late process waits for another moment
    return held;
  });
}

int handoff_session_release(handoff_t* h, uint64_t id) {
  return run(h, [&](handoff_t& handle) -> Result<void> {
    auto released = handle.registry.hold_session(id, false);
    if (released) handle.sessions_changed();
    return released;
  });
}

int handoff_session_leaves(handoff_t* h, uint64_t id) {
  int leaves = 0;
  const int result = run(h, [&](handoff_t& handle) -> Result<void> {
    const auto it = handle.registry.sessions.find(id);
    if (it == handle.registry.sessions.end()) {
      return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
    }
    const auto& entry = it->second;
    const bool here = entry.independent || entry.stays || entry.refused;
    leaves = handle.state() == HANDOFF_STATE_LATE && !here ? 1 : 0;
    return {};
  });
  return result < 0 ? result : leaves;
}

int handoff_session_stays(handoff_t* h, uint64_t id, const char* why) {
  return run(h, [&](handoff_t& handle) -> Result<void> {
    auto said = handle.registry.stay_session(
        id, why == nullptr ? std::nullopt : std::optional<std::string>(why));
    if (said) handle.sessions_changed();
    return said;
  });
}

int handoff_session_process(handoff_t* h, uint64_t id, pid_t pid) {
  if (pid < 0) return -EINVAL;
  return run(h, [&](handoff_t& handle) { return handle.registry.set_process(id, pid); });
}

int handoff_session_fd(handoff_t* h, uint64_t id, const char* name, int fd) {
  if (name == nullptr) return -EINVAL;
  return run(h, [&](handoff_t& handle) -> Result<void> {
    auto named = handle.registry.set_fd(id, name, fd);
    if (named) handle.sessions_changed();
    return named;
  });
}

int handoff_take_fd(handoff_t* h, uint64_t id, const char* name) {
  if (name == nullptr) return -EINVAL;
  int fd = -1;
  const int result = run(h, [&](handoff_t& handle) -> Result<void> {
    const auto taken = handle.registry.take_fd(id, name);
    if (!taken) return Failure(taken.error());
    fd = *taken;
    return {};
  });
  return result < 0 ? result : fd;
}

uint64_t handoff_session_count(const handoff_t* h) {
  return h == nullptr ? 0 : h->registry.sessions.size();
}

}  // extern "C"
