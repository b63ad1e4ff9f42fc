#include "libhandoff/process/reconnect.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace handoff::io {
namespace {

// A connection that lasted 5 s was no refusal.
constexpr core::Duration kSettled = 5'000'000;

// A path that does not fit into a sockaddr_un (107 bytes) goes through the folder's fd.
std::optional<UniqueFd> connect_to(const std::string& path) {
  UniqueFd folder;
  std::string name = path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return std::nullopt;
    folder.reset(::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) return std::nullopt;
    name = "/proc/self/fd/" + std::to_string(folder.get()) + path.substr(slash);
    if (name.size() >= sizeof address.sun_path) return std::nullopt;
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return std::nullopt;
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return std::nullopt;
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
      (peer.uid != 0 && peer.uid != ::geteuid())) {
    return std::nullopt;  // another user listens there and is told nothing
  }
  return fd;
}

}  // namespace

void knock(const std::string& path) { (void)connect_to(path); }

Result<Reconnect> Reconnect::make(std::string path) {
  Reconnect out;
  if (path.empty()) return out;
  out.timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!out.timer_.valid()) return fail_errno("a timer");
  out.path_ = std::move(path);
  return out;
}

void Reconnect::plan(core::Duration lasted) {
  if (!known()) return;
  if (lasted >= kSettled) delay_ = kFirst;
  arm();
}

void Reconnect::arm() {
  itimerspec when{};
  when.it_value.tv_sec = delay_ / 1'000'000;
  when.it_value.tv_nsec = delay_ % 1'000'000 * 1000;
  // Fails for a bad argument alone.
  (void)::timerfd_settime(timer_.get(), 0, &when, nullptr);
  delay_ = std::min(2 * delay_, kLongest);
}

std::optional<UniqueFd> Reconnect::attempt() {
  if (!known()) return std::nullopt;
  std::uint64_t times = 0;
  if (::read(timer_.get(), &times, sizeof times) < 0) return std::nullopt;  // not due yet
  auto fd = connect_to(path_);
  if (!fd) arm();
  return fd;
}

}  // namespace handoff::io
