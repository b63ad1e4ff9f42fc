// The happy path: link(2) right after bind(2). The failures: neither name is left, or the file
// system has no links: then only a start from nothing binds the path again, and problem() says so.
#include "supervisor/listeners/socket_path.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

std::string beside(const std::string& path) {
  const std::filesystem::path whole(path);
  return (whole.parent_path() / ("." + whole.filename().string() + ".handoff")).string();
}

// A number for each path, by FNV-1a: two sockets of one listener, which moves, have two paths, and
// the next supervisor finds the name of each by its path.
std::string number_of(const std::string& path) {
  std::uint64_t number = 0xcbf29ce484222325;
  for (const char c : path) number = (number ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::array<char, 17> text{};
  (void)std::snprintf(text.data(), text.size(), "%016" PRIx64, number);
  return text.data();
}

// A socket that was left there by a process that is gone.
bool is_stale(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) < 0 || !S_ISSOCK(info.st_mode)) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A name in the runtime folder may be longer than a sockaddr_un.
  const std::string to =
      path.size() < sizeof address.sun_path ? path : "/proc/self/fd/" + std::to_string(file.get());
  to.copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return fd.valid() &&
         ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

SocketPath::File SocketPath::file_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) < 0 || !S_ISSOCK(info.st_mode)) return {};
  return {info.st_ino, info.st_dev};
}

SocketPath::SocketPath(std::string path, const std::string& spare, bool fresh)
    : path_(std::move(path)) {
  if (!spare.empty()) spares_.push_back(spare + ":" + number_of(path_));
  spares_.push_back(beside(path_));
  if (!fresh) {  // the supervisor before this one has made it
    for (const std::string& name : spares_) {
      if (file_ == File{}) file_ = file_at(name);
    }
  }
  if (file_ == File{}) file_ = file_at(path_);
  make_spare();
}

SocketPath::SocketPath(SocketPath&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      spares_(std::exchange(other.spares_, {})),
      file_(std::exchange(other.file_, {})) {}

SocketPath& SocketPath::operator=(SocketPath&& other) noexcept {
  if (this == &other) return *this;
  remove();
  path_ = std::exchange(other.path_, {});
  spares_ = std::exchange(other.spares_, {});
  file_ = std::exchange(other.file_, {});
  return *this;
}

SocketPath::~SocketPath() { remove(); }

// Somebody may have put another socket there: that one is not ours to remove.
void SocketPath::remove() {
  if (file_ == File{}) return;
  if (file_at(path_) == file_) ::unlink(path_.c_str());
  for (const std::string& name : spares_) {
    if (file_at(name) == file_) ::unlink(name.c_str());
  }
}

// Without one the listener is as good, until somebody removes its path.
void SocketPath::make_spare() {
  if (path_.empty() || file_ == File{} || file_at(path_) != file_) return;
  if (!spare().empty()) return;
  for (const std::string& name : spares_) {
    if (file_at(name) != File{} && is_stale(name)) ::unlink(name.c_str());  // of an earlier socket
    (void)::mkdir(std::filesystem::path(name).parent_path().c_str(), 0700);
    if (::link(path_.c_str(), name.c_str()) == 0) return;
  }
}

std::string SocketPath::spare() const {
  if (file_ == File{}) return "";
  for (const std::string& name : spares_) {
    if (file_at(name) == file_) return name;
  }
  return "";
}

bool SocketPath::lost() const { return !problem().empty() && spare().empty(); }

std::string SocketPath::problem() const {
  if (path_.empty() || (file_ != File{} && file_at(path_) == file_)) return "";
  struct stat info {};
  const std::string out = ::lstat(path_.c_str(), &info) < 0
                              ? "somebody has removed " + path_ + ", so nobody can connect"
                              : "somebody has put another file at " + path_;
  if (spare().empty()) return out + ", and the socket has no other name (handoff stop, restart)";
  return out + " (handoff reload, or restart, makes it again)";
}

Result<bool> SocketPath::mend() {
  if (problem().empty()) {
    make_spare();
    return false;
  }
  const std::string name = spare();
  if (name.empty()) return fail(-ENOENT, problem());
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0) {
    if (!is_stale(path_)) return fail(-EEXIST, "another file lies at " + path_ + ": move it away");
    if (::unlink(path_.c_str()) < 0) return fail_errno(path_);
  }
  if (::link(name.c_str(), path_.c_str()) < 0) return fail_errno("making " + path_ + " again");
  return true;
}

}  // namespace handoff::supervisor
