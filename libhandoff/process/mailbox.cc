#include "libhandoff/process/mailbox.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

// More than net.unix.max_dgram_qlen lets wait anywhere (10, or 512).
constexpr int kMostLetters = 1024;

bool is_of(int fd, int domain, int type) {
  int its_domain = 0;
  int its_type = 0;
  socklen_t length = sizeof its_domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &its_domain, &length) < 0) return false;
  length = sizeof its_type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &its_type, &length) < 0) return false;
  return its_domain == domain && its_type == type;
}

// Supervisors that have died since, and those to which the process came by another way, have closed
// their end.
bool is_open_control_socket(int fd) {
  if (!is_of(fd, AF_UNIX, SOCK_SEQPACKET)) return false;
  pollfd state{fd, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) >= 0 && (state.revents & (POLLHUP | POLLRDHUP | POLLERR)) == 0;
}

// The fd in the next letter; not valid if that has none. nullopt if there is no letter.
std::optional<UniqueFd> next_letter(int fd) {
  std::array<char, 256> text;
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t n = 0;
  do {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    n = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return std::nullopt;
  UniqueFd out;
  for (cmsghdr* cmsg = CMSG_FIRSTHDR(&message); cmsg != nullptr;
       cmsg = CMSG_NXTHDR(&message, cmsg)) {
    if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) continue;
    if (cmsg->cmsg_len < CMSG_LEN(sizeof(int))) continue;
    int number = -1;
    std::memcpy(&number, CMSG_DATA(cmsg), sizeof number);
    out.reset(number);
  }
  return out;
}

}  // namespace

Result<Mailbox> Mailbox::from(UniqueFd fd) {
  if (!is_of(fd.get(), AF_UNIX, SOCK_DGRAM)) {
    return fail(HANDOFF_ERR_PROTOCOL, "Start names a mailbox that is no datagram socket");
  }
  return Mailbox(std::move(fd));
}

std::optional<UniqueFd> Mailbox::take() {
  std::optional<UniqueFd> newest;
  if (!known()) return newest;
  for (int i = 0; i < kMostLetters; ++i) {
    auto letter = next_letter(fd_.get());
    if (!letter) break;
    if (letter->valid() && is_open_control_socket(letter->get())) newest = std::move(letter);
  }
  return newest;
}

}  // namespace handoff::io
