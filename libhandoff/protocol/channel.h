// A SOCK_SEQPACKET Unix socket that carries frames and fds, without ever blocking.
//
// The happy path: send() is one sendmsg(2), recv() one recvmsg(2). The kernel keeps message
// boundaries and passes fds.
//
// Each failure is an explicit result. kWouldBlock: the socket is full. kFdsInFlight: too many fds
// of this user are in flight. kClosed: the peer is gone, and everything that it had sent has been
// read. An Error: a frame is malformed or lost fds on the way. The facts are from unix(7) and
// recvmsg(2).
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

  // Takes fd. No call here waits, whether fd is O_NONBLOCK or not. side names this end for
  // failpoints ("donor") and must outlive the Channel, as a literal does; "" has no failpoints.
  explicit Channel(UniqueFd fd, std::string_view side = "");
  ~Channel();
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;

  // Both ends of a new channel, close-on-exec.
  static Result<std::pair<UniqueFd, UniqueFd>> make_pair();

  int fd() const { return fd_.get(); }

  // Sends one frame, all of it or nothing. Borrows fds; the receiver gets duplicates.
  Result<Sent> send(protocol::Type type, std::string_view body, std::span<const int> fds = {});

  // Takes the next frame into message. After an Error abort: the channel can still be read, but the
  // peer does not keep to the protocol.
  Result<Received> recv(Message& message);

  // The frame that came last has a secret: it is wiped before the next one is read.
  void wipe_last() { wipes_ = true; }

  // XXH3-64 over all frames sent, and over all frames received before the last one: a Prepare's
  // checksum does not cover itself.
  std::uint64_t sent_hash() const;
  std::uint64_t received_hash() const;
  std::uint64_t frames_received() const { return frames_received_; }
  std::uint64_t frames_sent() const { return frames_sent_; }

 private:
  struct Hashes;
  int fail_at(protocol::Type type, std::string_view moment) const;

  UniqueFd fd_;
  std::string_view side_;
  // Of kMaxFrame, from the first recv() on. What no frame has filled yet takes no memory.
  std::unique_ptr<char[]> buffer_;
  std::size_t last_length_ = 0;
  bool wipes_ = false;
  void wipe_if_asked();
  std::uint64_t frames_received_ = 0;
  std::uint64_t frames_sent_ = 0;
  std::unique_ptr<Hashes> hashes_;
};

}  // namespace handoff::io
