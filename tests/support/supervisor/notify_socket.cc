#include "support/supervisor/notify_socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "support/clients/sockets.h"
#include "support/process/deadline.h"

namespace handoff::test {

NotifySocket::NotifySocket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un address = unix_address(path_);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw std::system_error(errno, std::generic_category(), "bind " + path_);
  }
}

bool NotifySocket::hears(const std::string& text) {
  const Deadline deadline = Deadline::patience();
  while (heard_.find(text) == std::string::npos) {
    if (!readable(fd_.get(), deadline)) return false;
    receive();
  }
  return true;
}

void NotifySocket::receive() {
  std::array<char, 4096> text;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 16)> control;
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
  if (n < 0) throw std::system_error(errno, std::generic_category(), "recvmsg");
  const std::string what(text.data(), static_cast<std::size_t>(n));
  heard_ += what + "\n--\n";
  const cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
  if (cmsg == nullptr || cmsg->cmsg_type != SCM_RIGHTS) return;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
  UniqueFd kept(fd);
  const std::size_t name = what.find("FDNAME=");
  if (what.find("FDSTORE=1") == std::string::npos || name == std::string::npos) {
    throw std::runtime_error("an fd came that is not to be stored: " + what);
  }
  store_[what.substr(name + 7, what.find('\n', name) - name - 7)] = std::move(kept);
}

}  // namespace handoff::test
