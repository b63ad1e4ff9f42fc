#include "libhandoff/service/registry.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

namespace {

thread_local Registry* running = nullptr;

}  // namespace

Registry::Registry(Declared& declared)
    : service(declared.service),
      release(declared.release),
      generation(declared.generation),
      lanes(declared.lanes),
      named(declared.named),
      kinds(declared.kinds),
      sections(declared.sections),
      regions(declared.regions),
      declared_(declared) {}

Registry* Registry::calling() { return running; }
Registry* Registry::calling(Registry* now) { return std::exchange(running, now); }

std::vector<core::Step> SessionKind::step_list() const {
  std::vector<core::Step> list;
  list.reserve(steps.size());
  for (const auto& [step, convert] : steps) list.push_back(step);
  return list;
}

Result<core::Manifest> Registry::manifest(bool only_with_fd) const {
  core::Manifest out{.service = service, .release = release};
  for (const SessionKind& kind : kinds) {
    const auto steps = kind.step_list();
    out.kinds.push_back({.name = kind.name,
                         .section = false,
                         .version = kind.version,
                         .reads = core::readable(steps, kind.version),
                         .writes = core::writable(steps, kind.version)});
  }
  for (const SectionDecl& section : sections) {
    out.kinds.push_back({.name = section.name,
                         .section = true,
                         .version = 0,
                         .reads = section.reads,
                         .writes = section.writes});
  }
  for (const Region& region : regions) out.kinds.push_back(region.kind());
  for (const auto& [name, fd] : named) {
    core::Named n{.name = name, .address = fd.address};
    if (fd.fd.valid()) {
      const auto identity = identity_of(fd.fd.get());
      if (!identity) return Failure(identity.error());
      n.inode = identity->inode;
      n.device = identity->device;
    } else if (only_with_fd) {
      continue;
    }
    out.named.push_back(std::move(n));
  }
  return out;
}

std::string Registry::describe(std::uint64_t id, std::uint32_t kind) const {
  return "session " + std::to_string(id) +
         (kind < kinds.size() ? " of kind '" + kinds[kind].name + "'" : "");
}

Result<std::uint64_t> Registry::open_session(int fd, const handoff_session_options* options) {
  if (fd < 0) return fail(-EBADF, "a session needs an open fd");
  std::string_view kind_name = "session";
  std::uint32_t flags = 0;
  if (options != nullptr) {
    if (options->size < sizeof *options) return fail(-EINVAL, "handoff_session_options.size");
    if (options->kind != nullptr) kind_name = options->kind;
    flags = options->flags;
  }
  if ((flags & ~(HANDOFF_SESSION_TRACKED | HANDOFF_SESSION_INDEPENDENT)) != 0) {
    return fail(-EINVAL, "unknown session flags");
  }
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const SessionKind& k) { return k.name == kind_name; });
  if (kind == kinds.end()) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "session kind '" + std::string(kind_name) + "' was not declared");
  }
  const auto identity = identity_of(fd);
  if (!identity) return Failure(identity.error());
  // Ids are never used twice, also across generations: each numbers its own.
  const std::uint64_t id = generation << 40 | declared_.next_session++;
  SessionEntry& entry =
      sessions.add(id, {.inode = identity->inode,
                        .fd = fd,
                        .kind = static_cast<std::uint32_t>(kind - kinds.begin()),
                        .tracked = (flags & HANDOFF_SESSION_TRACKED) != 0,
                        .independent = (flags & HANDOFF_SESSION_INDEPENDENT) != 0});
  if (observer != nullptr) observer->session_changed(id, entry);
  return id;
}

Result<void> Registry::touch_session(std::uint64_t id) {
  // A service that touches a session once promises to go on, so an adopted one is tracked from
  // here.
  const auto it = sessions.find(id);
  if (it == sessions.end()) {
    const auto arrived = arriving == nullptr ? it : arriving->find(id);
    if (arriving == nullptr || arrived == arriving->end()) {
      return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
    }
    arriving->track(arrived->second);
    return {};
  }
  sessions.track(it->second);
  if (observer != nullptr) observer->session_changed(id, it->second);
  return {};
}

Result<void> Registry::close_session(std::uint64_t id) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  if (it->second.away) return fail(-EBUSY, "session " + std::to_string(id) + " is frozen");
  remove_session(id);
  return {};
}

void Registry::remove_session(std::uint64_t id) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) return;
  if (observer != nullptr) observer->session_closed(id, it->second);
  sessions.remove(it);
}

bool Registry::can_hold() const {
  return can_link() && callbacks.late != nullptr && callbacks.moved != nullptr &&
         callbacks.freeze_session != nullptr && callbacks.thaw_session != nullptr;
}

Result<void> Registry::hold_session(std::uint64_t id, bool held) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  if (held && !can_link()) {
    return fail(HANDOFF_ERR_REJECTED, "a service with several lanes can't hold sessions");
  }
  if (held && !can_hold()) {
    return fail(HANDOFF_ERR_REJECTED,
                "a service that holds sessions needs the callbacks late, moved, freeze_session and "
                "thaw_session");
  }
  if (it->second.away) return fail(-EBUSY, "session " + std::to_string(id) + " is frozen");
  if (it->second.held == held) return {};
  sessions.hold(it->second, held);
  // The copy left it out while it was held.
  if (!held && observer != nullptr) observer->session_changed(id, it->second);
  return {};
}

Result<void> Registry::convert(const SessionKind& kind, std::uint32_t from, std::uint32_t to,
                               std::string& state) {
  if (from == to) return {};
  const auto chain = core::find_chain(kind.step_list(), from, to);
  if (!chain) {
    return fail(HANDOFF_ERR_VERSION, "no steps from state version " + std::to_string(from) +
                                         " to " + std::to_string(to) + " of kind '" + kind.name +
                                         "'");
  }
  for (const core::Step& step : *chain) {
    const StateStep& how = kind.steps.at(step);
    handoff_buffer out;
    const auto ok = call("converting the state of kind '" + kind.name + "' from version " +
                             std::to_string(step.first) + " to " + std::to_string(step.second),
                         [&] { return how.convert(how.user, state.data(), state.size(), &out); });
    if (!ok) return Failure(ok.error());
    state = std::move(out.bytes);
  }
  return {};
}

int Registry::thrown() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& e) {
    reason_ = e.what();
  } catch (...) {
    reason_ = "an exception that is no std::exception";
  }
  return HANDOFF_ERR_INTERNAL;
}

Failure Registry::failed_call(const std::string& what, int result) const {
  // A shortage is no refusal: with enough of it the callback would have succeeded.
  return fail(is_shortage(result) ? result : HANDOFF_ERR_REJECTED,
              what + " failed: " + (reason_.empty() ? handoff_strerror(result) : reason_));
}

Region* Registry::find_region(std::string_view name) {
  const auto it = std::find_if(regions.begin(), regions.end(),
                               [&](const Region& region) { return region.name() == name; });
  return it == regions.end() ? nullptr : &*it;
}
const Region* Registry::find_region(std::string_view name) const {
  return const_cast<Registry*>(this)->find_region(name);
}

Result<void> Registry::bind_missing() {
  for (Region& region : regions) {
    if (region.owned() || region.taken()) continue;
    if (const auto ok = region.start_empty(); !ok) return ok;
  }
  for (auto& [name, entry] : named) {
    if (entry.fd.valid() || entry.address.empty()) continue;
    const auto address = core::parse_address(entry.address);
    if (!address) return fail(-EINVAL, "listener '" + name + "': " + address.error());
    auto fd = bind_address(*address);
    if (!fd) return fail(fd.error().code, "listener '" + name + "': " + fd.error().message);
    entry.fd = std::move(*fd);
    entry.address = bound_address(entry.fd.get()).value_or(entry.address);
  }
  return {};
}

void Registry::log(int level, const std::string& message) const {
  if (declared_.log != nullptr) declared_.log(declared_.log_user, level, message.c_str());
}

int Registry::named_fd(const std::string& name) const {
  const std::lock_guard lock(declared_.named_lock);
  const auto it = named.find(name);
  if (it == named.end()) return HANDOFF_ERR_UNKNOWN;
  return it->second.fd.valid() ? it->second.fd.get() : -ENOENT;
}

void Registry::close_named() {
  const std::lock_guard lock(declared_.named_lock);
  for (auto& [name, entry] : named) entry.fd.reset();
}

}  // namespace handoff::io
