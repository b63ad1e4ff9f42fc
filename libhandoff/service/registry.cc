#include "libhandoff/service/registry.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <new>
#include <utility>

#include "libhandoff/base/description.h"
#include "libhandoff/base/text.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/lane_vault.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

namespace {

thread_local Registry* running = nullptr;

}  // namespace

std::string peer_of(const SessionEntry& entry) {
  if (entry.fd < 0) return {};
  const auto identity = identity_of(entry.fd);
  if (!identity || identity->inode != entry.inode) return {};
  return peer_address(entry.fd).value_or("");
}

Registry::Registry(Declared& declared)
    : service(declared.service),
      release(declared.release),
      generation(declared.generation),
      lanes(declared.lanes),
      named(declared.named),
      kinds(declared.kinds),
      sections(declared.sections),
      regions(declared.regions),
      processes(declared.processes),
      declared_(declared) {}

Registry::~Registry() = default;

Registry* Registry::calling() { return running; }
Registry* Registry::calling(Registry* now) { return std::exchange(running, now); }

std::vector<core::Step> SessionKind::step_list() const {
  std::vector<core::Step> list;
  list.reserve(steps.size());
  for (const auto& [step, convert] : steps) list.push_back(step);
  return list;
}

std::vector<core::Kind> Registry::kinds_on_the_wire() const {
  std::vector<core::Kind> out;
  for (std::uint32_t i = 0; i < kinds.size(); ++i) {
    const SessionKind& format = format_of(i);
    const auto steps = format.step_list();
    out.push_back({.name = format.name,
                   .section = false,
                   .version = format.version,
                   .reads = core::readable(steps, format.version),
                   .writes = core::writable(steps, format.version)});
    if (kinds[i].of_listener) out.back().listener = kinds[i].name;
  }
  for (const SectionDecl& section : sections) {
    out.push_back({.name = section.name,
                   .section = true,
                   .version = 0,
                   .reads = section.reads,
                   .writes = section.writes});
  }
  for (const Region& region : regions) out.push_back(region.kind());
  return out;
}

std::uint32_t Registry::kind_version(std::string_view name) const {
  for (std::uint32_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i].name == name) return format_of(i).version;
  }
  return 0;
}

Result<core::Manifest> Registry::manifest(bool only_with_fd) const {
  const std::lock_guard lock(declared_.named_lock);  // a lane's link asks, too
  core::Manifest out{.service = service,
                     .release = release,
                     .kinds = kinds_on_the_wire(),
                     .knows_listeners = true};
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

std::string Registry::describe(std::uint64_t id, const SessionEntry& entry) const {
  const std::string peer = peer_of(entry);
  return describe(id, entry.kind) + (peer.empty() ? "" : " from " + peer);
}

Result<std::uint64_t> Registry::open_session(int fd, const handoff_session_options* options) {
  std::string_view kind_name = "session";
  std::uint32_t flags = 0;
  std::uint64_t given_id = 0;
  if (options != nullptr) {
    // Without its id as it was before there was one.
    constexpr std::size_t kFirst = offsetof(handoff_session_options, id);
    if (options->size < kFirst) return fail(-EINVAL, "handoff_session_options.size");
    if (options->kind != nullptr) kind_name = options->kind;
    flags = options->flags;
    if (options->size >= sizeof *options) given_id = options->id;
  }
  if (given_id != 0 && sessions.contains(given_id)) {
    return fail(HANDOFF_ERR_DUPLICATE, "session " + std::to_string(given_id) + " is there");
  }
  constexpr std::uint32_t kFlags =
      HANDOFF_SESSION_TRACKED | HANDOFF_SESSION_INDEPENDENT | HANDOFF_SESSION_NO_FD;
  if ((flags & ~kFlags) != 0) return fail(-EINVAL, "unknown session flags");
  const bool no_fd = (flags & HANDOFF_SESSION_NO_FD) != 0;
  if (no_fd && fd != -1) return fail(-EINVAL, "HANDOFF_SESSION_NO_FD goes with the fd -1");
  if (!no_fd && fd < 0) {
    return fail(-EBADF, "a session needs an open fd, or HANDOFF_SESSION_NO_FD");
  }
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const SessionKind& k) { return k.name == kind_name; });
  if (kind == kinds.end()) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "session kind '" + std::string(kind_name) + "' was not declared");
  }
  const auto identity = no_fd ? Result<Identity>() : identity_of(fd);
  if (!identity) return Failure(identity.error());
  if (const auto other = no_fd ? std::nullopt : sessions.of_socket(fd, identity->inode)) {
    return fail(HANDOFF_ERR_DUPLICATE,
                "fd " + std::to_string(fd) + " is that of session " + std::to_string(*other));
  }
  tell_what_is_missing();
  // No id is used twice, also across generations: the generation's number is part of the id.
  const std::uint64_t id = given_id != 0 ? given_id : generation << 40 | declared_.next_session++;
  SessionEntry& entry =
      sessions.add(id, {.inode = identity->inode,
                        .fd = fd,
                        .kind = static_cast<std::uint32_t>(kind - kinds.begin()),
                        .no_fd = no_fd,
                        .tracked = (flags & HANDOFF_SESSION_TRACKED) != 0,
                        .independent = (flags & HANDOFF_SESSION_INDEPENDENT) != 0});
  if (observer != nullptr) observer->session_changed(id, entry);
  if (vault != nullptr) {
    vault->writer->open(id, entry.kind, fd, std::exchange(vault->accepting, false));
  }
  return id;
}

// In time to be mended: a handoff would find it out.
void Registry::tell_what_is_missing() {
  if (std::exchange(told_what_is_missing_, true)) return;
  // One with freeze() and no save() puts the states of its sessions (HANDOFF_LATER), or will see.
  const bool saves = callbacks.save != nullptr || callbacks.freeze != nullptr;
  if (saves && callbacks.restore != nullptr) return;
  log(HANDOFF_LOG_WARNING, std::string("this service has sessions and no ") +
                               (saves ? "restore()" : "save()") +
                               ": they can't be handed over, so no upgrade can be done");
}

Result<void> Registry::touch_session(std::uint64_t id) {
  // A service that touches a session once promises to go on, so an adopted session becomes tracked.
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
  // The heir of the handoff under way has a duplicate of the socket, and drops it with the next
  // frames, or when it is ended. The peer must not wait for that. A number that is another socket's
  // by now is left alone.
  if (observer != nullptr && it->second.copied) {
    const auto identity = identity_of(it->second.fd);
    if (identity && identity->inode == it->second.inode) end_sending(it->second.fd);
    for (const SessionFd& one : sessions.fds().of(id)) {
      if (one.sent && is_still(one)) end_sending(one.fd);
    }
  }
  remove_session(id);
  return {};
}

void Registry::remove_session(std::uint64_t id) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) return;
  if (observer != nullptr) observer->session_closed(id, it->second);
  if (vault != nullptr) vault->writer->close(id);
  told.forget(id);
  restoring.erase(id);
  sessions.remove(it);
  processes.forget(id);
}

Result<void> Registry::set_process(std::uint64_t id, pid_t pid) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  if (it->second.away) return fail(-EBUSY, "session " + std::to_string(id) + " is frozen");
  if (pid == 0) {
    processes.forget(id);
  } else {
    const std::uint64_t started = started_at(pid);
    if (started == 0) {
      return fail(-ESRCH, "there is no process " + std::to_string(pid) + ", or no /proc");
    }
    processes.set(id, {static_cast<std::uint32_t>(pid), started});
  }
  if (observer != nullptr) observer->session_changed(id, it->second);
  return {};
}

bool Registry::has_callbacks_to_hold() const {
  return callbacks.late != nullptr && callbacks.moved != nullptr &&
         callbacks.freeze_session != nullptr && callbacks.thaw_session != nullptr;
}

Result<void> Registry::check_keeps() const {
  if (can_hold()) return {};
  return fail(HANDOFF_ERR_REJECTED,
              std::string("a service that holds sessions needs the callbacks late, moved, "
                          "freeze_session and thaw_session") +
                  (lanes > 1 ? ", in all lanes" : ""));
}

Result<void> Registry::stay_session(std::uint64_t id, std::optional<std::string> why) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  if (why) {
    if (auto ok = check_keeps(); !ok) return ok;
  }
  if (it->second.away) return fail(-EBUSY, "session " + std::to_string(id) + " is frozen");
  if (why) *why = printable(*why, protocol::kMaxReason);
  const bool stayed = it->second.stays;
  sessions.stay(id, it->second, std::move(why));
  // As for one that was held.
  if (stayed && !it->second.stays) released(id, it->second);
  return {};
}

Result<void> Registry::hold_session(std::uint64_t id, bool held, core::Time until) {
  const auto it = sessions.find(id);
  if (it == sessions.end()) {
    return fail(HANDOFF_ERR_UNKNOWN, "there is no session " + std::to_string(id));
  }
  if (held) {
    if (auto ok = check_keeps(); !ok) return ok;
  }
  if (it->second.away) return fail(-EBUSY, "session " + std::to_string(id) + " is frozen");
  if (!held && it->second.unrested) return {};  // by its next put
  if (held) {
    it->second.hold_until = until;
    // The next put releases what the library holds, and not what the service does.
    if (std::exchange(it->second.unrested, false)) told.await_no_rest(id);
  }
  if (it->second.held == held) return {};
  sessions.hold(it->second, held);
  if (!held) released(id, it->second);
  return {};
}

// The copy left the session out, so a handoff under way must send it now.
void Registry::released(std::uint64_t id, SessionEntry& entry) {
  if (observer != nullptr) observer->session_changed(id, entry);
  if (told.late() && !entry.held && !entry.stays && !can_leave(id)) await_rest(id, entry);
}

std::optional<core::Time> Registry::release_overdue(core::Time now) {
  std::optional<core::Time> next;
  if (sessions.held() == 0) return next;
  for (auto& [id, entry] : sessions) {
    if (!entry.held || entry.hold_until == 0 || entry.away) continue;
    if (entry.hold_until > now) {
      next = std::min(next.value_or(entry.hold_until), entry.hold_until);
      continue;
    }
    log(HANDOFF_LOG_WARNING, describe(id, entry) + " is held beyond its time: it moves as it is");
    (void)hold_session(id, false);
  }
  return next;
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
    if (out.error != 0) {
      return failed_call("handoff_buffer_append() in a conversion of kind '" + kind.name + "'",
                         out.error);
    }
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
  // A shortage keeps its own code: the service did not refuse, it could not.
  return fail(is_shortage(result) ? result : HANDOFF_ERR_REJECTED,
              what + " failed: " + (reason_.empty() ? description(result) : reason_));
}

Region* Registry::find_region(std::string_view name) {
  const auto it = std::find_if(regions.begin(), regions.end(),
                               [&](const Region& region) { return region.name() == name; });
  return it == regions.end() ? nullptr : &*it;
}
const Region* Registry::find_region(std::string_view name) const {
  return const_cast<Registry*>(this)->find_region(name);
}

void Registry::log(int level, const std::string& message) const {
  if (declared_.log == nullptr) return;
  declared_.log(declared_.log_user, level, printable(message).c_str());  // a peer's words, too
}

}  // namespace handoff::io
