// sd_listen_fds_with_names(3) says what systemd gives. Ours: "NAME=FD,NAME=FD" with this process's
// own pid before it, as systemd has it, so that a child that inherits the variable is not misled.
#include "supervisor/host/kept_fds.h"

#include <fcntl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <string_view>

namespace handoff::supervisor {
namespace {

bool number(std::string_view text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0;
}

std::string_view until(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

}  // namespace

KeptFds KeptFds::from_environment() {
  KeptFds out;
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    UniqueFd fd(SD_LISTEN_FDS_START + i);
    out.fds_[names[i]] = std::move(fd);  // two of one name: the later, they are the same socket
    std::free(names[i]);                 // as sd_listen_fds_with_names(3) asks for
  }
  std::free(names);
  const char* variable = std::getenv(kKeptVariable);
  const std::string text = variable != nullptr ? variable : "";
  ::unsetenv(kKeptVariable);
  for (const auto& [name, fd] : read(text)) {
    const bool held = std::any_of(out.fds_.begin(), out.fds_.end(), [number = fd](const auto& one) {
      return one.second.get() == number;
    });
    if (held || ::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) continue;
    out.fds_[name] = UniqueFd(fd);
  }
  return out;
}

std::map<std::string, int> KeptFds::read(std::string_view text) {
  std::map<std::string, int> out;
  std::set<int> taken;
  int pid = 0;
  if (!number(until(text, ':'), pid) || pid != ::getpid()) return out;
  while (!text.empty()) {
    std::string_view value = until(text, ',');
    const std::string_view name = until(value, '=');
    int fd = -1;
    // An fd of two names would be closed twice, and the second time it may be another's.
    if (!number(value, fd) || fd <= STDERR_FILENO || taken.contains(fd)) continue;
    if (out.emplace(name, fd).second) taken.insert(fd);
  }
  return out;
}

UniqueFd KeptFds::take(const std::string& name) {
  const auto found = fds_.find(name);
  if (found == fds_.end()) return {};
  UniqueFd fd = std::move(found->second);
  fds_.erase(found);
  return fd;
}

std::string KeptFds::describe(const std::map<std::string, int>& fds) {
  std::string out = std::to_string(::getpid()) + ":";
  for (const auto& [name, fd] : fds) out += name + "=" + std::to_string(fd) + ",";
  return out;
}

}  // namespace handoff::supervisor
