#include "libhandoff/process/start.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <ctime>

#include "libhandoff/core/spread.h"
#include "libhandoff/sys/environment.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

using protocol::Type;

// Start should be there already. A supervisor of another kind sends none, and must not hang us.
constexpr int kStartTimeoutMs = 5000;

std::optional<int> number_from(const char* name) {
  const char* text = environment::get(name);
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int value = -1;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 0) return std::nullopt;
  return value;
}

bool is_control_socket(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

// To stderr, if it has room: nobody is waited for, and a pipe that nobody reads any more raises no
// SIGPIPE. Room is PIPE_BUF bytes (pipe(7)).
void say_if_heard(const std::string& line) {
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, 0) != 1 || room.revents != POLLOUT) return;
  sigset_t broken;
  sigset_t pending;
  sigset_t before;
  sigemptyset(&broken);
  sigaddset(&broken, SIGPIPE);
  if (::sigpending(&pending) < 0 || ::pthread_sigmask(SIG_BLOCK, &broken, &before) != 0) return;
  const ssize_t n =
      ::write(STDERR_FILENO, line.data(), std::min<std::size_t>(line.size(), PIPE_BUF));
  constexpr timespec kNow{};
  // One that was pending before is somebody else's.
  if (n < 0 && errno == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    (void)::sigtimedwait(&broken, nullptr, &kNow);
  }
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// The process that has taken a supervisor's Start; a fork of it may be another service.
std::atomic<pid_t> started = 0;

// nullopt: no control socket is meant for this process.
Result<std::optional<UniqueFd>> control_socket() {
  if (started == ::getpid()) {
    return fail(HANDOFF_ERR_ORDER,
                "this process is a service of the supervisor already, by an earlier "
                "handoff_open(); one with several event loops has lanes");
  }
  const auto number = number_from("HANDOFF_FD");
  const auto pid = number_from("HANDOFF_PID");
  // A child of a supervised service may inherit the variables; they are not meant for it.
  if (!number || !pid || *pid != ::getpid()) return std::nullopt;
  environment::forget_supervisor();
  if (!is_control_socket(*number)) {
    return fail(-EBADF, "HANDOFF_FD names fd " + std::to_string(*number) +
                            ", which is not a control socket");
  }
  UniqueFd fd(*number);
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0) return fail_errno("HANDOFF_FD");
  started = ::getpid();
  return fd;
}

Result<void> wait_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  int polled = 0;
  do {
    polled = ::poll(&readable, 1, kStartTimeoutMs);
  } while (polled < 0 && errno == EINTR);
  if (polled < 0) return fail_errno("waiting for the supervisor's Start");
  if (polled == 0) return fail(-ETIMEDOUT, "the supervisor sent no Start");
  return {};
}

Result<void> take_listeners(const std::vector<protocol::Named>& listeners,
                            std::vector<UniqueFd>& fds, std::vector<GivenListener>& out) {
  for (const protocol::Named& named : listeners) {
    if (named.fd_index >= fds.size() || !fds[named.fd_index].valid()) {
      return fail(HANDOFF_ERR_PROTOCOL, "Start names listener '" + named.name + "' without an fd");
    }
    UniqueFd fd = std::move(fds[named.fd_index]);
    const auto identity = identity_of(fd.get());
    if (!identity) return Failure(identity.error());
    if (*identity != Identity{named.inode, named.device}) {
      return fail(HANDOFF_ERR_IDENTITY, "listener '" + named.name + "' is not the one announced");
    }
    out.push_back({named, std::move(fd)});
  }
  return {};
}

Result<void> take_listeners(const protocol::Start& start, std::vector<UniqueFd>& fds,
                            StartOrder& order) {
  Offers& out = order.offers;
  Result<void> taken;
  if (!order.heir) taken = take_listeners(start.listeners, fds, out.listeners);
  if (taken) taken = take_listeners(start.kept, fds, out.kept);
  if (taken && order.heir) taken = take_listeners(start.moved, fds, out.moved);
  if (taken) taken = take_listeners(start.before, fds, out.before);
  if (!taken) return taken;
  const auto offer = [&out](const std::vector<protocol::Named>& all) {
    for (const protocol::Named& named : all) {
      // One that moves is offered by its new address, which comes first.
      const bool there = std::any_of(out.offered.begin(), out.offered.end(),
                                     [&](const auto& other) { return other.name == named.name; });
      if (!there && out.offered.size() < protocol::kMaxNamed) out.offered.push_back(named);
    }
  };
  if (!order.heir) offer(start.listeners);
  offer(start.kept);
  offer(start.moved);
  offer(start.offered);
  return {};
}

// A supervisor from before there were mailboxes gives none.
Result<Mailbox> take_mailbox(const protocol::Start& start, std::vector<UniqueFd>& fds) {
  if (start.mailbox == 0) return Mailbox();
  if (start.mailbox > fds.size() || !fds[start.mailbox - 1].valid()) {
    return fail(HANDOFF_ERR_PROTOCOL, "Start names a mailbox without an fd");
  }
  return Mailbox::from(std::move(fds[start.mailbox - 1]));
}

// The last two fds of the frame.
Result<VaultEnds> take_vault(const protocol::Start& start, std::vector<UniqueFd>& fds) {
  VaultEnds out;
  if (!start.vault) return out;
  if (fds.size() < 2) return fail(HANDOFF_ERR_PROTOCOL, "Start names a vault without its fds");
  out.keeper = std::move(fds.back());
  fds.pop_back();
  out.memory = std::move(fds.back());
  fds.pop_back();
  return out;
}

HandoffParameters parameters_of(const protocol::Handoff& handoff) {
  constexpr std::uint64_t kHour = 3'600'000'000;
  HandoffParameters out{.id = handoff.id,
                        .limits = {},
                        .drain_incompatible = handoff.drain_incompatible,
                        .spread = std::min(handoff.spread, core::kAll)};
  if (handoff.stall_us > 0) {
    out.limits.stall = static_cast<core::Duration>(std::min(handoff.stall_us, kHour));
  }
  if (handoff.budget_us > 0) {
    out.limits.budget = static_cast<core::Duration>(std::min(handoff.budget_us, kHour));
  }
  out.limits.rehearsal = handoff.rehearsal;
  out.limits.donor_kept = handoff.donor_kept;
  return out;
}

}  // namespace

Result<HandoffEnd> take_end(const protocol::Handoff& handoff, std::vector<UniqueFd>& fds) {
  if (handoff.channel_index >= fds.size() || handoff.peer_index >= fds.size() ||
      handoff.channel_index == handoff.peer_index) {
    return fail(HANDOFF_ERR_PROTOCOL, "the supervisor passed no channel and no pidfd");
  }
  return HandoffEnd{parameters_of(handoff), std::move(fds[handoff.channel_index]),
                    std::move(fds[handoff.peer_index])};
}

bool is_supervised() {
  if (started == ::getpid()) return true;
  const auto number = number_from("HANDOFF_FD");
  const auto pid = number_from("HANDOFF_PID");
  return number && pid && *pid == ::getpid() && is_control_socket(*number);
}

std::string tell_what_is_ignored(const handoff_options& options) {
  const environment::Ignored ignored = environment::ignored();
  if (ignored.words.empty()) return {};
  // A supervisor names a child that knocks in its own log, too.
  if (const char* path = environment::get("HANDOFF_RETURN")) knock(path);
  environment::forget_supervisor();
  if (is_control_socket(ignored.fd)) (void)::fcntl(ignored.fd, F_SETFD, FD_CLOEXEC);
  if (options.log != nullptr) {
    options.log(options.user, HANDOFF_LOG_ERROR, ignored.words.c_str());
  } else {
    say_if_heard("handoff: " + ignored.words + "\n");
  }
  return ignored.words;
}

Result<std::optional<StartOrder>> take_start() {
  auto socket = control_socket();
  if (!socket) return Failure(socket.error());
  if (!*socket) return std::nullopt;
  StartOrder order{.control = ControlChannel(std::move(**socket))};
  if (const auto ok = wait_readable(order.control.fd()); !ok) return Failure(ok.error());
  Channel::Message message;
  const auto received = order.control.recv(message);
  if (!received) return Failure(received.error());
  if (*received != Channel::Received::kMessage || message.header.type != Type::kStart) {
    return fail(HANDOFF_ERR_PROTOCOL, "the supervisor's first message is no Start");
  }
  const auto start = protocol::decode<protocol::Start>(message.body);
  if (!start) return Failure(start.error());
  if (start->protocol_min > protocol::kVersionMax || start->protocol_max < protocol::kVersionMin) {
    return fail(HANDOFF_ERR_VERSION, "the supervisor speaks protocol versions " +
                                         std::to_string(start->protocol_min) + " to " +
                                         std::to_string(start->protocol_max) + ", this library " +
                                         std::to_string(protocol::kVersionMin) + " to " +
                                         std::to_string(protocol::kVersionMax));
  }
  order.generation = start->generation;
  auto reconnect = Reconnect::make(start->report_path);
  if (!reconnect) return Failure(reconnect.error());
  order.reconnect = std::move(*reconnect);
  auto vault = take_vault(*start, message.fds);
  if (!vault) return Failure(vault.error());
  order.vault = std::move(*vault);
  auto mailbox = take_mailbox(*start, message.fds);
  if (!mailbox) return Failure(mailbox.error());
  order.mailbox = std::move(*mailbox);
  if (start->heir) {
    if (!start->handoff) return fail(HANDOFF_ERR_PROTOCOL, "Start for an heir without a handoff");
    auto end = take_end(*start->handoff, message.fds);
    if (!end) return Failure(end.error());
    order.heir = std::move(*end);
  }
  if (const auto taken = take_listeners(*start, message.fds, order); !taken) {
    return Failure(taken.error());
  }
  for (bool more = start->more; more;) {
    if (const auto ok = wait_readable(order.control.fd()); !ok) return Failure(ok.error());
    Channel::Message next;
    const auto came = order.control.recv(next);
    if (!came) return Failure(came.error());
    if (*came != Channel::Received::kMessage || next.header.type != Type::kStart) {
      return fail(HANDOFF_ERR_PROTOCOL, "the supervisor's Start is not whole");
    }
    const auto further = protocol::decode<protocol::Start>(next.body);
    if (!further) return Failure(further.error());
    if (const auto taken = take_listeners(*further, next.fds, order); !taken) {
      return Failure(taken.error());
    }
    more = further->more;
  }
  return order;
}

}  // namespace handoff::io
