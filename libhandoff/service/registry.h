// What one lane has: its sessions and its callbacks; and, shared with the other lanes, what the
// service has declared. Both sides of a handoff work on it: the donor gives out of it, the heir
// fills it.
//
// A registry belongs to its lane's thread. Session fds are the service's and only borrowed here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/core/negotiation.h"
#include "libhandoff/service/declared.h"
#include "libhandoff/service/region.h"
#include "libhandoff/service/sessions.h"

struct handoff_buffer {
  std::string bytes;
};

// What save() appends to.
struct handoff_saved {
  std::string state;
  std::string input;
  std::string output;
  std::uint32_t flags = 0;
};

namespace handoff::io {

// The handoff under way wants to hear of changes; nullptr if there is none.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  virtual void session_changed(std::uint64_t id, SessionEntry& entry) = 0;  // or opened
  virtual void session_closed(std::uint64_t id, const SessionEntry& entry) = 0;
};

class Registry {
 public:
  // Borrows declared, which all lanes have.
  explicit Registry(Declared& declared);
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
  // This lane's own.
  Sessions sessions;
  handoff_callbacks callbacks{};
  void* callbacks_user = nullptr;
  SessionObserver* observer = nullptr;
  // Restored, and not yet this process's own: restore() may touch them, too.
  Sessions* arriving = nullptr;

  // The declarations (service/declarations.cc); an Error names what is wrong with which name.
  Result<void> set_names(std::string service_name, std::string release_name);
  // address "": any fd of that name, if somebody has it.
  Result<void> declare_named(const std::string& name, const std::string& address);
  // A listener that the supervisor has for this service.
  Result<void> give_listener(const std::string& name, const std::string& address, UniqueFd fd);
  Result<void> declare_kind(const std::string& name, std::uint32_t version);
  Result<void> declare_step(const std::string& kind, core::Step step, StateStep how);
  Result<void> declare_section(SectionDecl section);
  Result<void> declare_region(RegionDecl region);
  Result<void> set_callbacks(const handoff_callbacks& given, void* user);

  // The kinds, the sections, then the regions; the indices used on the wire. named: those that have
  // an fd (a donor has them to give), or all (an heir claims them).
  Result<core::Manifest> manifest(bool only_with_fd) const;
  std::string describe(std::uint64_t id, std::uint32_t kind) const;

  Result<std::uint64_t> open_session(int fd, const handoff_session_options* options);
  Result<void> touch_session(std::uint64_t id);
  Result<void> close_session(std::uint64_t id);
  Result<void> hold_session(std::uint64_t id, bool held);
  // The session has ended, or is another process's now. A handoff under way hears that it is not to
  // hand the session over, or not any more.
  void remove_session(std::uint64_t id);
  // The service has all that it takes to hold sessions.
  bool can_hold() const;
  // The service can be at an end of a link: one with several lanes can't.
  bool can_link() const { return lanes == 1; }
  // Any thread: the fd, HANDOFF_ERR_UNKNOWN for a name that was not declared, -ENOENT for one
  // without an fd.
  int named_fd(const std::string& name) const;
  // The named fds are the heir's, or nobody's.
  void close_named();
  // Runs one of the callbacks that nothing can fail; what it throws is logged.
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

  // Binds the declared listeners that nobody gave, and makes the regions.
  Result<void> bind_missing();

  // nullptr if there is none of that name.
  Region* find_region(std::string_view name);
  const Region* find_region(std::string_view name) const;

  // Runs a callback of the service: what it throws or returns below 0 becomes an Error with the
  // reason that it gave. what: a text, or a function that gives it, called only for an Error.
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
  // The one whose callback runs on this thread; nullptr if none does.
  static Registry* calling();

  void log(int level, const std::string& message) const;

 private:
  bool name_taken(const std::string& name) const;
  // Sets it; returns the one before.
  static Registry* calling(Registry* now);
  // The exception that is being handled, as a result; its text becomes the reason.
  int thrown();
  Failure failed_call(const std::string& what, int result) const;

  Declared& declared_;
  std::string reason_;
};

}  // namespace handoff::io
