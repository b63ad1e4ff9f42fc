#include "supervisor/host/runtime_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "libhandoff/sys/failpoint.h"
#include "supervisor/base/folder_variables.h"
#include "supervisor/host/private_file.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kSocketName = "control.sock";
constexpr const char* kServicesName = "services.sock";
constexpr const char* kLockName = "lock";
constexpr const char* kStateName = "state.json";
constexpr const char* kNewStateName = "state.json.new";
constexpr const char* kBadStateName = "state.json.bad";

Result<UniqueFd> open_at(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder.valid()) return folder;
  if (errno == ELOOP || errno == ENOTDIR) {
    return fail(-ENOTDIR, "the runtime folder " + path +
                              " is a symbolic link or no folder: remove it, or set "
                              "HANDOFF_RUNTIME_DIR to another one");
  }
  return fail_errno("the runtime folder " + path);
}

std::string problem_of(int folder, const std::string& path) {
  struct stat found {};
  if (::fstat(folder, &found) < 0) return path + ": " + std::strerror(errno);
  if (found.st_uid != ::geteuid()) {
    return "the runtime folder " + path + " belongs to uid " + std::to_string(found.st_uid) +
           ", not to uid " + std::to_string(::geteuid()) +
           " that runs this: set HANDOFF_RUNTIME_DIR";
  }
  if ((found.st_mode & 077) != 0) {
    return "the runtime folder " + path + " is open to others: chmod 700 " + path;
  }
  return "";
}

// A request says which file is to be executed, and the answer is believed. So both go to a
// supervisor of this user's, or of root's; root asks that of the folder's owner, too.
bool is_mine(uid_t uid) { return uid == 0 || uid == ::geteuid(); }

Failure not_mine(const std::string& path, const std::string& what) {
  return fail(-EPERM, what + ", neither to uid " + std::to_string(::geteuid()) +
                          " nor to root: nothing was asked there. Set HANDOFF_RUNTIME_DIR to the "
                          "folder of a supervisor that is yours, in place of " +
                          path);
}

// The folder's owner, before anything is said to what listens in it.
Result<uid_t> expect_trusted_folder(int folder, const std::string& path) {
  struct stat found {};
  if (::fstat(folder, &found) < 0) return fail_errno(path);
  if (::geteuid() == 0 || is_mine(found.st_uid)) return found.st_uid;
  return not_mine(path,
                  "the runtime folder " + path + " belongs to uid " + std::to_string(found.st_uid));
}

Result<void> expect_trusted_peer(int socket, uid_t owner, const std::string& path) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return fail_errno(path);
  if (is_mine(peer.uid) || (::geteuid() == 0 && peer.uid == owner)) return {};
  return not_mine(path, "the supervisor at " + control_path(path) + " (pid " +
                            std::to_string(peer.pid) + ") belongs to uid " +
                            std::to_string(peer.uid));
}

// A supervisor takes a connection within milliseconds. A socket whose queue nobody empties makes
// connect(2) wait for ever.
constexpr timeval kConnectLimit{5, 0};

// The inode of what lies there under that name; 0 if nothing does.
ino_t inode_at(int folder, const char* name) {
  struct stat found {};
  return ::fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 ? found.st_ino : 0;
}

// The address by which a socket in that folder can be bound or connected to, however long its path
// is: through the folder's fd.
sockaddr_un address_in(const std::string& path, int folder, const char* name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string full = path + "/" + name;
  if (full.size() >= sizeof address.sun_path) {
    full = "/proc/self/fd/" + std::to_string(folder) + "/" + name;
  }
  std::memcpy(address.sun_path, full.c_str(), full.size() + 1);
  return address;
}

}  // namespace

Result<std::string> runtime_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);  // before any thread
    return std::string(value != nullptr ? value : "");
  };
  if (std::string own = variable(kRuntimeVariable); !own.empty()) {
    while (own.size() > 1 && own.back() == '/') own.pop_back();
    return own;
  }
  if (::geteuid() == 0) return "/run/handoff";
  if (const std::string session = variable("XDG_RUNTIME_DIR"); !session.empty()) {
    return session + "/handoff";
  }
  return fail(-ENOENT, "no runtime folder: set HANDOFF_RUNTIME_DIR (or XDG_RUNTIME_DIR)");
}

std::string control_path(const std::string& runtime) { return runtime + "/" + kSocketName; }

Result<RuntimeDir> RuntimeDir::open(const std::string& path, UniqueFd lock) {
  RuntimeDir out;
  // Services go there from working folders of their own.
  std::error_code error;
  out.path_ = std::filesystem::absolute(path, error).string();
  if (error) return fail(-error.value(), path + ": " + error.message());
  if (auto opened = out.open_folder(); !opened) return Failure(opened.error());
  out.lock_ = std::move(lock);
  if (out.lock_.valid()) return out;
  if (auto locked = out.take_lock(); !locked) return Failure(locked.error());
  return out;
}

Result<void> RuntimeDir::open_folder() {
  if (::mkdir(path_.c_str(), 0700) < 0 && errno != EEXIST) {
    return fail_errno("creating the runtime folder " + path_);
  }
  auto folder = open_at(path_);
  if (!folder) return Failure(folder.error());
  if (std::string problem = problem_of(folder->get(), path_); !problem.empty()) {
    return fail(-EPERM, std::move(problem));
  }
  folder_ = std::move(*folder);
  return {};
}

// On a full disk there may be no room for the file, and the folder itself serves: who comes later
// finds no room for the file, either.
Result<void> RuntimeDir::take_lock() {
  UniqueFd lock(
      ::openat(folder_.get(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid() && (errno == ENOSPC || errno == EDQUOT)) {
    lock.reset(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!lock.valid()) return fail_errno("the lock in " + path_);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) return fail_errno("locking " + path_ + "/" + kLockName);
    return fail(-EADDRINUSE, "another supervisor already runs in " + path_ +
                                 " (handoff status shows its services); stop it, or set "
                                 "HANDOFF_RUNTIME_DIR to another folder");
  }
  lock_ = std::move(lock);
  return {};
}

RuntimeDir::~RuntimeDir() {
  if (!folder_.valid()) return;
  for (const auto& [name, inode] : bound_) {
    if (inode_at(folder_.get(), name.c_str()) == inode) ::unlinkat(folder_.get(), name.c_str(), 0);
  }
}

RuntimeDir::Missing RuntimeDir::missing() const {
  Missing out;
  struct stat there {};
  struct stat held {};
  out.folder = ::lstat(path_.c_str(), &there) < 0 || ::fstat(folder_.get(), &held) < 0 ||
               there.st_ino != held.st_ino || there.st_dev != held.st_dev;
  const auto lacks = [this](const char* name) {
    const auto bound = bound_.find(name);
    return bound == bound_.end() || inode_at(folder_.get(), name) != bound->second;
  };
  out.operators = out.folder || lacks(kSocketName);
  out.services = out.folder || lacks(kServicesName);
  const bool a_file = ::fstat(lock_.get(), &held) == 0 && S_ISREG(held.st_mode);
  out.lock = out.folder || (a_file && inode_at(folder_.get(), kLockName) != held.st_ino);
  return out;
}

Result<void> RuntimeDir::make_anew() {
  const Missing gone = missing();
  if (gone.folder) {
    if (auto opened = open_folder(); !opened) return opened;
    bound_.clear();
  }
  return gone.lock ? take_lock() : Result<void>();
}

Result<UniqueFd> RuntimeDir::listen_to_operators(UniqueFd kept) {
  return listen(kSocketName, SOCK_STREAM, std::move(kept));
}
Result<UniqueFd> RuntimeDir::listen_to_services(UniqueFd kept) {
  return listen(kServicesName, SOCK_SEQPACKET, std::move(kept));
}
std::string RuntimeDir::report_path() const { return path_ + "/" + kServicesName; }

Result<UniqueFd> RuntimeDir::listen(const char* name, int type, UniqueFd kept) {
  if (kept.valid()) {
    bound_[name] = inode_at(folder_.get(), name);
    return kept;
  }
  const std::string path = path_ + "/" + name;
  // We hold the lock: whatever lies there is stale.
  if (::unlinkat(folder_.get(), name, 0) < 0 && errno != ENOENT) {
    return fail_errno("removing the stale " + path);
  }
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  const sockaddr_un address = address_in(path_, folder_.get(), name);
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int bind_error = errno;
  ::umask(before);
  if (bound < 0) return Failure(Error::from_errno(bind_error, "binding " + path));
  bound_[name] = inode_at(folder_.get(), name);
  if (::listen(fd.get(), SOMAXCONN) < 0) return fail_errno("listening on " + path);
  return fd;
}

Result<std::optional<std::string>> RuntimeDir::peek(const std::string& path) {
  auto folder = open_at(path);
  if (!folder && folder.error().code == -ENOENT) return std::nullopt;
  if (!folder) return Failure(folder.error());
  RuntimeDir out;
  out.path_ = path;
  out.folder_ = std::move(*folder);
  return out.load();
}

Result<StateFile> RuntimeDir::state_file() const {
  const std::string path = path_ + "/" + kStateName;
  UniqueFd folder(::fcntl(folder_.get(), F_DUPFD_CLOEXEC, 0));
  if (!folder.valid()) return fail_errno("writing " + path);
  return StateFile(std::move(folder), path);
}

Result<void> StateFile::save(const std::string& text) const {
  if (const int error = failpoint::hit("supervisor.save.before"); error != 0) {
    return Failure(Error::from_errno(error, "writing " + path_));
  }
  if (auto written = replace_private(folder_.get(), kStateName, text, Outlives::kProcess);
      !written) {
    return written;
  }
  failpoint::hit("supervisor.save.after");
  return {};
}

Result<std::optional<std::string>> RuntimeDir::load() const {
  return read_private(folder_.get(), kStateName);
}

void RuntimeDir::forget() const {
  ::unlinkat(folder_.get(), kStateName, 0);
  ::unlinkat(folder_.get(), kNewStateName, 0);
}

void RuntimeDir::set_state_aside() const {
  (void)::renameat(folder_.get(), kStateName, folder_.get(), kBadStateName);
}

std::string runtime_dir_problem(const std::string& path) {
  auto folder = open_at(path);
  if (!folder) return folder.error().code == -ENOENT ? "" : folder.error().message;
  return problem_of(folder->get(), path);
}

Result<UniqueFd> connect_control(const std::string& runtime) {
  const std::string nobody = "no supervisor runs here (" + control_path(runtime) +
                             "): start one with `handoff run`, or set HANDOFF_RUNTIME_DIR";
  auto folder = open_at(runtime);
  if (!folder) {
    if (folder.error().code == -ENOENT) return fail(-ENOENT, nobody);
    return Failure(folder.error());
  }
  const auto owner = expect_trusted_folder(folder->get(), runtime);
  if (!owner) return Failure(owner.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kConnectLimit, sizeof kConnectLimit) < 0) {
    return fail_errno("the control socket");
  }
  const sockaddr_un address = address_in(runtime, folder->get(), kSocketName);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return fail(-ENOENT, nobody);
    if (errno == EAGAIN) {
      return fail(-EAGAIN, "what listens at " + control_path(runtime) + " took no connection for " +
                               std::to_string(kConnectLimit.tv_sec) +
                               " s: it hangs, or is no supervisor");
    }
    return fail_errno("connecting to " + control_path(runtime));
  }
  if (auto trusted = expect_trusted_peer(fd.get(), *owner, runtime); !trusted) {
    return Failure(trusted.error());
  }
  return fd;
}

}  // namespace handoff::supervisor
