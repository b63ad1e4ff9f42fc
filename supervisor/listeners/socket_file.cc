#include "supervisor/listeners/socket_file.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/socket.h"

namespace handoff::supervisor {
namespace {

// For an entry of the user database; one of a group names all of its members.
constexpr std::size_t kRoom = 16 * 1024;
constexpr std::size_t kMostRoom = 16 * 1024 * 1024;

// look(room, size) asks the database.
template <class Look>
int with_room(std::vector<char>& room, Look look) {
  int error = ERANGE;
  for (std::size_t size = kRoom; error == ERANGE && size <= kMostRoom; size *= 4) {
    room.resize(size);
    error = look(room.data(), room.size());
  }
  return error;
}

std::optional<std::uint32_t> number_in(const std::string& text) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  // All ones stand for "leave it" in chown(2).
  if (error != std::errc() || stopped != end || number == UINT32_MAX) return std::nullopt;
  return number;
}

std::optional<uid_t> user_of(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room;
  (void)with_room(room, [&](char* data, std::size_t size) {
    return ::getpwnam_r(name.c_str(), &entry, data, size, &found);
  });
  return found == nullptr ? std::nullopt : std::make_optional(found->pw_uid);
}

std::optional<gid_t> group_of(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> room;
  (void)with_room(room, [&](char* data, std::size_t size) {
    return ::getgrnam_r(name.c_str(), &entry, data, size, &found);
  });
  return found == nullptr ? std::nullopt : std::make_optional(found->gr_gid);
}

// what: "user" or "group".
Result<void> must_be_known(bool known, const char* what, const std::string& name) {
  if (name.empty() || known) return {};
  return fail(-ENOENT, std::string("there is no ") + what + " \"" + name + "\" on this host");
}

}  // namespace

void look_up(NamedAddress& listener) {
  listener.address = io::with_interface_name(std::move(listener.address));
  auto& [bind, user, group, known] = listener.options;
  const bool asks_user = !user.empty() && !number_in(user);
  const bool asks_group = !group.empty() && !number_in(group);
  if (asks_user || asks_group) failpoint::hit("supervisor.owner.before");
  if (asks_user) known.user = user_of(user);
  if (asks_group) known.group = group_of(group);
}

Result<SocketOwner> owner_of(const ListenerOptions& options) {
  SocketOwner out = options.known;
  if (const auto number = number_in(options.user)) out.user = *number;
  if (const auto number = number_in(options.group)) out.group = *number;
  auto known = must_be_known(out.user.has_value(), "user", options.user);
  if (known) known = must_be_known(out.group.has_value(), "group", options.group);
  if (!known) return Failure(known.error());
  return out;
}

Result<void> dress(const std::string& path, const ListenerOptions& options) {
  const auto owner = owner_of(options);
  if (!owner) return Failure(owner.error());
  const auto& mode = options.bind.mode;
  if (!owner->user && !owner->group && !mode) return {};
  // Another file may lie there by now, of anybody who may write to the folder: what was opened is
  // looked at, and what was looked at is changed.
  const UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) < 0) return fail_errno(path);
  if (!S_ISSOCK(info.st_mode)) return fail(-EEXIST, path + " is no socket");
  if ((owner->user || owner->group) &&
      ::fchownat(file.get(), "", owner->user.value_or(static_cast<uid_t>(-1)),
                 owner->group.value_or(static_cast<gid_t>(-1)), AT_EMPTY_PATH) < 0) {
    return fail_errno("giving " + path + " to " + options.user +
                      (options.group.empty() ? "" : ":" + options.group));
  }
  // fchmod(2) takes no fd of O_PATH.
  const std::string by_fd = "/proc/self/fd/" + std::to_string(file.get());
  if (mode && ::chmod(by_fd.c_str(), static_cast<mode_t>(*mode)) < 0) {
    return fail_errno("the mode of " + path);
  }
  return {};
}

int longest_queue() {
  std::ifstream in("/proc/sys/net/core/somaxconn");
  int most = 0;
  return in >> most ? most : 0;
}

}  // namespace handoff::supervisor
