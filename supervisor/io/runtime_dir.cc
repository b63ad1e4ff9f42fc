#include "io/runtime_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace handoff::supervisor {
namespace {

constexpr const char* kSocketName = "control.sock";
constexpr const char* kLockName = "lock";

Result<UniqueFd> open_folder(const std::string& path) {
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

// The address by which a socket in that folder can be bound or connected to, however long its path
// is: through the folder's fd.
sockaddr_un address_in(const std::string& path, int folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string full = path + "/" + kSocketName;
  if (full.size() >= sizeof address.sun_path) {
    full = "/proc/self/fd/" + std::to_string(folder) + "/" + kSocketName;
  }
  std::memcpy(address.sun_path, full.c_str(), full.size() + 1);
  return address;
}

}  // namespace

Result<std::string> runtime_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
    return std::string(value != nullptr ? value : "");
  };
  if (std::string own = variable("HANDOFF_RUNTIME_DIR"); !own.empty()) {
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

Result<RuntimeDir> RuntimeDir::open(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) {
    return fail_errno("creating the runtime folder " + path);
  }
  auto folder = open_folder(path);
  if (!folder) return Failure(folder.error());
  if (std::string problem = problem_of(folder->get(), path); !problem.empty()) {
    return fail(-EPERM, std::move(problem));
  }
  RuntimeDir out;
  out.path_ = path;
  out.folder_ = std::move(*folder);
  out.lock_.reset(
      ::openat(out.folder_.get(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out.lock_.valid()) return fail_errno("the lock in " + path);
  if (::flock(out.lock_.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) return fail_errno("locking " + path + "/" + kLockName);
    return fail(-EADDRINUSE, "another supervisor already runs in " + path +
                                 " (handoff status shows its services); stop it, or set "
                                 "HANDOFF_RUNTIME_DIR to another folder");
  }
  return out;
}

RuntimeDir::~RuntimeDir() {
  if (bound_ && folder_.valid()) ::unlinkat(folder_.get(), kSocketName, 0);
}

Result<UniqueFd> RuntimeDir::listen() {
  // We hold the lock: whatever lies there is stale.
  if (::unlinkat(folder_.get(), kSocketName, 0) < 0 && errno != ENOENT) {
    return fail_errno("removing the stale " + control_path(path_));
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno("socket");
  const sockaddr_un address = address_in(path_, folder_.get());
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int bind_error = errno;
  ::umask(before);
  if (bound < 0) return Failure(Error::from_errno(bind_error, "binding " + control_path(path_)));
  bound_ = true;
  if (::listen(fd.get(), SOMAXCONN) < 0) return fail_errno("listening on " + control_path(path_));
  return fd;
}

std::string runtime_dir_problem(const std::string& path) {
  auto folder = open_folder(path);
  if (!folder) return folder.error().code == -ENOENT ? "" : folder.error().message;
  return problem_of(folder->get(), path);
}

Result<UniqueFd> connect_control(const std::string& runtime) {
  const std::string nobody = "no supervisor runs here (" + control_path(runtime) +
                             "): start one with `handoff run`, or set HANDOFF_RUNTIME_DIR";
  auto folder = open_folder(runtime);
  if (!folder) {
    if (folder.error().code == -ENOENT) return fail(-ENOENT, nobody);
    return Failure(folder.error());
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  const sockaddr_un address = address_in(runtime, folder->get());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return fail(-ENOENT, nobody);
    return fail_errno("connecting to " + control_path(runtime));
  }
  return fd;
}

}  // namespace handoff::supervisor
