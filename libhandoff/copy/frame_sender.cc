#include "libhandoff/copy/frame_sender.h"

#include <cerrno>

#include "libhandoff/protocol/limits.h"

namespace handoff::io {

bool FrameSender::acknowledge(std::uint64_t frames) {
  if (frames < acknowledged_ || frames > channel_.frames_sent()) return false;
  acknowledged_ = frames;
  return true;
}

bool FrameSender::full() const {
  return channel_.frames_sent() - acknowledged_ >= protocol::kWindow;
}

Result<Pumped> FrameSender::send(protocol::Type type, std::string_view body,
                                 std::span<const int> fds) {
  const auto sent = channel_.send(type, body, fds);
  if (!sent) return Failure(sent.error());
  switch (*sent) {
    case Channel::Sent::kYes:
      return Pumped::kSent;
    case Channel::Sent::kWouldBlock:
      return Pumped::kBlocked;
    case Channel::Sent::kClosed:
      return Pumped::kClosed;
    case Channel::Sent::kFdsInFlight:
      break;
  }
  // Ours will come back with an Ack. If none of ours are under way, others of this user have used
  // up the limit, and nothing says when that will change.
  if (channel_.frames_sent() > acknowledged_) return Pumped::kWindow;
  return fail(-ETOOMANYREFS,
              "this user has too many fds in flight (limit: the soft RLIMIT_NOFILE of this "
              "process); raise LimitNOFILE or grant CAP_SYS_RESOURCE");
}

}  // namespace handoff::io
