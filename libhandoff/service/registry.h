// What one lane has: its sessions and callbacks, and a view of what the service has declared, which
// all lanes share. Both sides of a handoff work on it: the donor gives out of it, the heir fills
// it.
//
// A Registry belongs to its lane's thread. Session fds are the service's; the Registry borrows
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/result.h"
#include "libhandoff/base/secret.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/core/negotiation.h"
#include "libhandoff/service/declared.h"
#include "libhandoff/service/region.h"
#include "libhandoff/service/saved_stretch.h"
#include "libhandoff/service/sessions.h"
#include "libhandoff/service/told.h"

struct handoff_buffer {
  std::string bytes;
  int error = 0;  // of the first append that failed
};

// What save() appends to.
struct handoff_saved {
  std::string state;
  handoff::io::SavedStretch input;
  handoff::io::SavedStretch output;
  std::uint32_t flags = 0;
  handoff::Secret layer;
  bool given = false;  // one of handoff_save_*() was called
  bool put = false;    // by handoff_session_put(), at a moment that nobody knows
  // The first of those calls that failed. What is here lacks its bytes, whatever save() returns.
  int error = 0;
  const char* failed = "";
};

namespace handoff::io {

struct LaneVault;

// Implemented by a handoff under way, which must hear of each session that changes.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  virtual void session_changed(std::uint64_t id, SessionEntry& entry) = 0;  // or opened
  virtual void session_closed(std::uint64_t id, const SessionEntry& entry) = 0;
};

// The client at the other end, "tcp:127.0.0.1:4711"; "" if there is none, or if the fd is not the
// session's socket any more.
std::string peer_of(const SessionEntry& entry);
// Ends the session's connections by a reset: that of its socket, and of its other fds those that
// are sockets. The fds stay open.
void reset_session(const SessionEntry& entry, const SessionFds::List& others);
// Whether the fd is what it was when it was named.
bool is_still(const SessionFd& one);

class Registry {
 public:
  // Borrows declared, which all lanes share.
  explicit Registry(Declared& declared);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  std::string& service;
  std::string& release;
  std::uint64_t& generation;
  const std::uint32_t& lanes;
  std::map<std::string, NamedFd>& named;
  std::vector<SessionKind>& kinds;
  std::vector<SectionDecl>& sections;
  std::vector<Region>& regions;
  SessionProcesses& processes;
  // This lane's own.
  Sessions sessions;
  handoff_callbacks callbacks{};
  void* callbacks_user = nullptr;
  SessionObserver* observer = nullptr;
  std::unique_ptr<LaneVault> vault;  // from handoff_ready() on, where there is one
  // What other threads have said.
  Told told;
  // Sessions that are restored and not yet this process's own, which restore() may touch; nullptr
  // outside restore() and update().
  Sessions* arriving = nullptr;
  // Restores that had not ended when their donor died, and the sessions that failed since.
  std::unordered_map<std::uint64_t, std::uint64_t> restoring;
  std::vector<std::uint64_t> lost_later;

  // The declarations (service/declarations.cc); an Error names what is wrong with which name.
  Result<void> set_names(std::string service_name, std::string release_name);
  // address "": an fd of any kind, if somebody has it to give.
  Result<void> declare_named(const std::string& name, const std::string& address);
  // A listener that the supervisor has for this service.
  Result<void> give_listener(const std::string& name, const std::string& address, UniqueFd fd);
  // One that it takes if nobody else gives it, an heir's donor, say. A name that it does not claim
  // is none of its business.
  void keep_listener(const std::string& name, const std::string& address, UniqueFd fd);
  // One that it takes in place of the one that its donor gives.
  void move_listener(const std::string& name, const std::string& address, UniqueFd fd);
  void add_earlier(const std::string& name, const std::string& address, UniqueFd fd);
  const std::map<std::string, bool>& given_back() const { return declared_.given_back; }
  Result<void> declare_kind(const std::string& name, std::uint32_t version);
  // Sessions of that kind have no state to save.
  Result<void> declare_stateless(const std::string& kind);
  // Before the freeze there is nothing to be saved of sessions of that kind.
  Result<void> declare_no_snapshots(const std::string& kind);
  Result<void> declare_listener_kind(const std::string& listener);
  Result<void> declare_step(const std::string& kind, core::Step step, StateStep how);
  Result<void> declare_section(SectionDecl section);
  Result<void> declare_blob(const std::string& name, handoff_blob_save_fn save,
                            handoff_blob_load_fn load, void* user);
  Result<void> declare_region(RegionDecl region);
  Result<void> set_callbacks(const handoff_callbacks& given, void* user);

  // The manifest for a Hello: the kinds, the sections, then the regions, in the order of their
  // indices on the wire. A donor names only what it has an fd of, an heir all that it claims.
  Result<core::Manifest> manifest(bool only_with_fd) const;
  std::vector<core::Kind> kinds_on_the_wire() const;
  std::string describe(std::uint64_t id, std::uint32_t kind) const;
  // With the address of its peer, if its fd is its socket still.
  std::string describe(std::uint64_t id, const SessionEntry& entry) const;
  // The kind whose versions and steps are those of this one: "session" for the kind of a listener.
  SessionKind& format_of(std::uint32_t kind) const {
    return kinds[kinds[kind].of_listener ? 0 : kind];
  }
  // 0 for a kind that was not declared.
  std::uint32_t kind_version(std::string_view name) const;

  Result<std::uint64_t> open_session(int fd, const handoff_session_options* options);
  Result<void> touch_session(std::uint64_t id);
  Result<void> close_session(std::uint64_t id);
  // until: when it is released by itself; 0: never.
  Result<void> hold_session(std::uint64_t id, bool held, core::Time until = 0);
  // Releases what is held beyond its time. Returns when the next one will be.
  std::optional<core::Time> release_overdue(core::Time now);
  // The session stays with this process at a switch; nullopt: it moves with the others.
  Result<void> stay_session(std::uint64_t id, std::optional<std::string> why);
  // pid 0: it needs none.
  Result<void> set_process(std::uint64_t id, pid_t pid);
  // Whether it can be saved while the service serves.
  bool has_snapshot(std::uint64_t id, const SessionEntry& entry) const;
  // In a freeze that HANDOFF_LATER has answered: whether it can be saved now.
  bool is_at_rest(std::uint64_t id, const SessionEntry& entry) const;
  // Outside a freeze: what would be saved is the state of its stream, by save() or since it rests.
  bool can_leave(std::uint64_t id) const;
  // The session stays here until it has come to rest, by its next put.
  void await_rest(std::uint64_t id, SessionEntry& entry);
  // The session is told to go on; a late one leaves with its next put.
  void goes_on(std::uint64_t id, SessionEntry& entry);
  // Late ones that were awaited and have come to rest move now. True if there were some.
  bool release_rested(const std::vector<std::uint64_t>& ids);
  // Sessions of which other threads have put a state have changed. Returns their ids. What was put
  // for an id that is none, and does not come, is forgotten.
  std::vector<std::uint64_t> touch_what_was_put(
      const std::function<bool(std::uint64_t id)>& comes = {});
  // How a restore() has ended whose session is this process's by now. False: it is none of these.
  bool restore_ended(const Told::Answer& answer);
  // Names an fd beside its socket; -1: there is none of that name any more.
  Result<void> set_fd(std::uint64_t id, const std::string& name, int fd);
  // Inside restore() and update(): the fd is the service's from now on.
  Result<int> take_fd(std::uint64_t id, const std::string& name);
  // The session has ended, or is another process's now, and a handoff under way hears of it.
  void remove_session(std::uint64_t id);
  bool has_callbacks_to_hold() const;  // this lane has the four for sessions that stay
  // Whether the service may hold sessions: all of its lanes have.
  bool can_hold() const { return has_callbacks_to_hold() && declared_.all_lanes_hold; }
  // Any thread: the fd, HANDOFF_ERR_UNKNOWN for a name that is none, -ENOENT for one without an fd.
  int named_fd(const std::string& name) const;
  // Closes the named fds: they are the heir's now, or nobody's.
  void close_named();
  // Runs a callback whose failure changes nothing any more; what it throws is logged.
  template <class What, class F>
  void tell(What&& what, F&& callback) {
    const auto ok = call(what, [&] {
      callback();
      return 0;
    });
    if (!ok) log(HANDOFF_LOG_ERROR, ok.error().message);
  }

  // Converts state from one version of this kind to another in place.
  Result<void> convert(const SessionKind& kind, std::uint32_t from, std::uint32_t to,
                       std::string& state);

  // Takes the listeners that were kept, binds those that nobody gave, and makes the regions.
  Result<void> bind_missing();

  // nullptr if no region has that name.
  Region* find_region(std::string_view name);
  const Region* find_region(std::string_view name) const;

  // Runs a callback. An exception or a negative result becomes an Error with the reason that the
  // callback gave. what names it: a text, or a function that makes one, called only for an Error.
  template <class What, class F>
  Result<int> call(What&& what, F&& callback) {
    reason_.clear();
    int result = 0;
    Registry* const before = calling(this);
    try {
      result = callback();
    } catch (...) {
      result = thrown();
    }
    calling(before);
    if (result >= 0) return result;
    if constexpr (std::is_invocable_v<What>) {
      return failed_call(what(), result);
    } else {
      return failed_call(what, result);
    }
  }
  void set_reason(std::string_view why) { reason_ = why; }
  // The Registry whose callback runs on this thread; nullptr if none does.
  static Registry* calling();

  void log(int level, const std::string& message) const;

 private:
  void released(std::uint64_t id, SessionEntry& entry);
  bool name_taken(const std::string& name) const;
  Result<void> check_room() const;
  // Whether this service can keep sessions at a switch.
  Result<void> check_keeps() const;
  static Registry* calling(Registry* now);  // sets it; returns the one before
  // The exception that is being handled as a result; its text becomes the reason.
  int thrown();
  Failure failed_call(const std::string& what, int result) const;
  void tell_what_is_missing();

  Declared& declared_;
  std::string reason_;
  bool told_what_is_missing_ = false;
};

}  // namespace handoff::io
