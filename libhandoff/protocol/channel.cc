#include "libhandoff/protocol/channel.h"

#define XXH_INLINE_ALL  // header-only: nothing of it leaves the shared object
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "handoff/handoff.h"
#include "libhandoff/sys/failpoint.h"

namespace handoff::io {

struct Channel::Hashes {
  // The states keep the last bytes of what they were given, which may be a layer's.
  ~Hashes() { ::explicit_bzero(this, sizeof *this); }
  XXH3_state_t sent;
  XXH3_state_t received;
};

Channel::Channel(UniqueFd fd, std::string_view side)
    : fd_(std::move(fd)), side_(side), hashes_(std::make_unique<Hashes>()) {
  XXH3_64bits_reset(&hashes_->sent);
  XXH3_64bits_reset(&hashes_->received);
  // O_NONBLOCK belongs to the socket, and so to every process that holds this end. So each call
  // passes MSG_DONTWAIT instead.
}
Channel::~Channel() { wipe_if_asked(); }
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;

Result<std::pair<UniqueFd, UniqueFd>> Channel::make_pair() {
  int fds[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
    return fail_errno("socketpair for a channel");
  }
  return std::pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<Channel::Sent> Channel::send(protocol::Type type, std::string_view body,
                                    std::span<const int> fds) {
  if (body.size() > protocol::kMaxBody || fds.size() > protocol::kMaxFds) {
    return fail(HANDOFF_ERR_INTERNAL, "a " + protocol::type_name(type) + " of " +
                                          std::to_string(body.size()) + " bytes and " +
                                          std::to_string(fds.size()) + " fds is over the limits");
  }
  const auto header = protocol::encode_header({.type = type,
                                               .fds = static_cast<std::uint32_t>(fds.size()),
                                               .body = static_cast<std::uint32_t>(body.size())});
  std::array<iovec, 2> parts{};
  parts[0] = {const_cast<unsigned char*>(header.data()), header.size()};
  parts[1] = {const_cast<char*>(body.data()), body.size()};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(protocol::kMaxFds * sizeof(int))> control;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(cmsg), fds.data(), fds.size_bytes());
  }
  ssize_t sent = 0;
  if (const int error = fail_at(type, "sending"); error != 0) {
    errno = error;
    sent = -1;
  } else {
    do {
      sent = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
  }
  if (sent < 0) {
    switch (errno) {
      case EAGAIN:
      case ENOBUFS:  // the kernel has no memory for the message at the moment
        return Sent::kWouldBlock;
      case ETOOMANYREFS:
        return Sent::kFdsInFlight;
      case EPIPE:
      case ECONNRESET:
      case ENOTCONN:
        return Sent::kClosed;
      default:
        return fail_errno("sending " + protocol::type_name(type));
    }
  }
  XXH3_64bits_update(&hashes_->sent, header.data(), header.size());
  XXH3_64bits_update(&hashes_->sent, body.data(), body.size());
  ++frames_sent_;
  (void)fail_at(type, "sent");  // too late to fail: the frame is sent
  return Sent::kYes;
}

int Channel::fail_at(protocol::Type type, std::string_view moment) const {
  if (side_.empty() || !failpoint::armed()) return 0;
  return failpoint::strike_message(side_, protocol::type_name(type), moment);
}

void Channel::wipe_if_asked() {
  if (std::exchange(wipes_, false) && buffer_) ::explicit_bzero(buffer_.get(), last_length_);
}

Result<Channel::Received> Channel::recv(Message& message) {
  message.fds.clear();
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(protocol::kMaxFrame);
  if (last_length_ > 0) {
    XXH3_64bits_update(&hashes_->received, buffer_.get(), last_length_);
    wipe_if_asked();
    last_length_ = 0;
  }
  iovec part{buffer_.get(), protocol::kMaxFrame};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(protocol::kMaxFds * sizeof(int))> control;
  msghdr raw{};
  raw.msg_iov = &part;
  raw.msg_iovlen = 1;
  ssize_t n = 0;
  do {
    raw.msg_control = control.data();
    raw.msg_controllen = control.size();
    n = ::recvmsg(fd_.get(), &raw, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A peer that died with something unread gives ECONNRESET once. What it had sent and EOF come
    // after that, so read on.
  } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (n < 0) {
    if (errno == EAGAIN) return Received::kWouldBlock;
    return fail_errno("receiving from a channel");
  }
  // The fds are taken first: a malformed message must not leak them.
  for (cmsghdr* cmsg = CMSG_FIRSTHDR(&raw); cmsg != nullptr; cmsg = CMSG_NXTHDR(&raw, cmsg)) {
    if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof fd);
      message.fds.emplace_back(fd);
    }
  }
  if (n == 0) {
    // EOF, or an empty message, which the protocol does not have.
    pollfd state{fd_.get(), POLLRDHUP, 0};
    if (::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLRDHUP)) != 0 &&
        message.fds.empty()) {
      return Received::kClosed;
    }
    return fail(HANDOFF_ERR_PROTOCOL, "malformed frame: an empty message");
  }
  if ((raw.msg_flags & MSG_TRUNC) != 0) {
    return fail(HANDOFF_ERR_PROTOCOL, "malformed frame: longer than the limit of " +
                                          std::to_string(protocol::kMaxFrame) + " bytes");
  }
  if ((raw.msg_flags & MSG_CTRUNC) != 0) {
    return fail(-EMFILE,
                "fds were lost on the way in: this process has no fd numbers left (RLIMIT_NOFILE), "
                "or the message had too many");
  }
  last_length_ = static_cast<std::size_t>(n);
  const std::string_view whole(buffer_.get(), last_length_);
  auto header = protocol::decode_header(whole, message.fds.size());
  if (!header) return Failure(header.error());
  if (header->lane != 0) {
    return fail(HANDOFF_ERR_PROTOCOL, "malformed frame: of lane " + std::to_string(header->lane) +
                                          ", and there is only lane 0");
  }
  if (const int error = fail_at(header->type, "received"); error != 0) {
    message.fds.clear();
    return Failure(Error::from_errno(error, "receiving " + protocol::type_name(header->type)));
  }
  ++frames_received_;
  message.header = *header;
  message.body = whole.substr(protocol::kHeaderSize);
  return Received::kMessage;
}

std::uint64_t Channel::sent_hash() const { return XXH3_64bits_digest(&hashes_->sent); }
std::uint64_t Channel::received_hash() const { return XXH3_64bits_digest(&hashes_->received); }

}  // namespace handoff::io
