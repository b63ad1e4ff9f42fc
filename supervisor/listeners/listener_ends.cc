#include "supervisor/listeners/listener_ends.h"

#include <linux/filter.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace handoff::supervisor {
namespace {

using Kind = core::Address::Kind;

// The filter of a TCP socket sees the TCP header first (socket(7), SO_ATTACH_FILTER). A SYN without
// an ACK begins a connection; the ACK that completes one passes.
bool turn_away(int fd) {
  constexpr std::uint32_t kFlags = 13;  // the byte of them in a TCP header
  constexpr std::uint32_t kSynAndAck = 0x12;
  constexpr std::uint32_t kSyn = 0x02;
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlags),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSynAndAck),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
  };
  const sock_fprog program{.len = std::size(code), .filter = code};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

// The path of a Unix socket is gone, so it is bound anew.
bool is(const Listener& listener, const NamedAddress& wanted) {
  const bool has_path = wanted.address.kind == Kind::kUnix && !wanted.address.abstract;
  return !has_path && listener.name() == wanted.name && listener.asked() == wanted.address;
}

bool somebody_waits(int fd) {
  pollfd queue{fd, POLLIN, 0};
  return ::poll(&queue, 1, 0) > 0 && (queue.revents & POLLIN) != 0;
}

}  // namespace

ListenerEnds::ListenerEnds(uv_loop_t* loop, std::string service, Duration handshakes,
                           std::function<void()> ended)
    : service_(std::move(service)),
      handshakes_(handshakes),
      ended_(std::move(ended)),
      timer_(loop, [this] { look(); }) {}

void ListenerEnds::end(Listener listener) {
  listener.leave_path();
  if (listener.asked().kind == Kind::kTcp && !turn_away(listener.fd())) {
    spdlog::warn("{}: listener {} at {} takes connections until it is closed: {}", service_,
                 listener.name(), listener.address(), std::strerror(errno));
  }
  endings_.push_back({std::move(listener), now(), now()});
  timer_.at(now() + kLook);
}

std::vector<const Listener*> ListenerEnds::all() const {
  std::vector<const Listener*> out;
  out.reserve(endings_.size());
  for (const Ending& ending : endings_) out.push_back(&ending.listener);
  return out;
}

bool ListenerEnds::has(const NamedAddress& wanted) const {
  for (const Ending& ending : endings_) {
    if (is(ending.listener, wanted)) return true;
  }
  return false;
}

std::optional<Listener> ListenerEnds::take_back(const NamedAddress& wanted) {
  std::optional<Listener> out;
  std::vector<Ending> left;
  for (Ending& ending : endings_) {
    const int none = 0;
    if (!out && is(ending.listener, wanted) &&
        (wanted.address.kind != Kind::kTcp ||
         ::setsockopt(ending.listener.fd(), SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none) ==
             0 ||
         errno == ENOENT)) {
      out.emplace(std::move(ending.listener));
    } else {
      left.push_back(std::move(ending));
    }
  }
  endings_ = std::move(left);
  return out;
}

void ListenerEnds::look() {
  std::vector<Ending> left;
  for (Ending& ending : endings_) {
    // A datagram has no queue that anybody would have to empty.
    const bool udp = ending.listener.asked().kind == Kind::kUdp;
    const bool waits = !udp && somebody_waits(ending.listener.fd());
    if (waits) ending.waited = now();
    const bool is_given_up = waits && now() - ending.begun >= kPatience;
    if (!is_given_up && now() - ending.waited < handshakes_) {
      left.push_back(std::move(ending));
      continue;
    }
    if (waits) {
      spdlog::warn("{}: clients that waited at {} are refused: nobody has accepted them", service_,
                   ending.listener.address());
    }
    spdlog::info("{}: listener {} is closed at {}", service_, ending.listener.name(),
                 ending.listener.address());
    // The process has an fd of it, too. Another socket than one of TCP would be readable for good,
    // and accept(2) or recv(2) would say EAGAIN: a loop would spin.
    if (ending.listener.asked().kind != Kind::kTcp) continue;
    (void)::shutdown(ending.listener.fd(), SHUT_RDWR);
  }
  const bool have_ended = left.size() < endings_.size();
  endings_ = std::move(left);
  if (!endings_.empty()) timer_.at(now() + kLook);
  if (have_ended && ended_) ended_();
}

}  // namespace handoff::supervisor
