// A SOCK_SEQPACKET Unix socket that carries frames and fds, without ever blocking.
//
// The happy path: send() is one sendmsg(2), recv() one recvmsg(2), message boundaries and fds are
// the kernel's work. The failures, each an explicit result: the socket is full (kWouldBlock), too
// many fds of this user are in flight (kFdsInFlight), the peer is gone (kClosed, after everything
// that it had sent has been read), a frame that is malformed or lost fds on the way (Error). The
// facts are from unix(7), recvmsg(2), and measurements noted in docs/decisions.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/frame.h"

namespace handoff::io {

class Channel {
 public:
  enum class Sent { kYes, kWouldBlock, kFdsInFlight, kClosed };

  struct Message {
    protocol::Header header;
    std::string_view body;      // valid until the next recv()
    std::vector<UniqueFd> fds;  // as many as header.fds
  };
  enum class Received { kMessage, kWouldBlock, kClosed };

  // Takes fd. Whether it is O_NONBLOCK does not matter: no call here waits. side is a literal:
  // whose end it is, for failpoints ("donor"); "" has none.
  explicit Channel(UniqueFd fd, std::string_view side = "");
  ~Channel();
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;

  // Both ends of a new channel, close-on-exec.
  static Result<std::pair<UniqueFd, UniqueFd>> make_pair();

  int fd() const { return fd_.get(); }

  // Sends one frame; borrows fds (the receiver gets duplicates). All of it or nothing.
  Result<Sent> send(protocol::Type type, std::string_view body, std::span<const int> fds = {});

  // Takes the next frame into message. After an Error the channel can still be read, but the only
  // thing worth doing is to abort.
  Result<Received> recv(Message& message);

  // XXH3-64 over all frames sent; over all frames received before the last one.
  std::uint64_t sent_hash() const;
  std::uint64_t received_hash() const;
  std::uint64_t frames_received() const { return frames_received_; }
  std::uint64_t frames_sent() const { return frames_sent_; }

 private:
  struct Hashes;
  int fail_at(protocol::Type type, std::string_view moment) const;

  UniqueFd fd_;
  std::string_view side_;
  std::vector<char> buffer_;  // of kMaxFrame, from the first recv() on
  std::size_t last_length_ = 0;
  std::uint64_t frames_received_ = 0;
  std::uint64_t frames_sent_ = 0;
  std::unique_ptr<Hashes> hashes_;
};

}  // namespace handoff::io
