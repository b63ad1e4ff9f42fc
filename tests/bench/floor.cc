#include "floor.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "clock.h"
#include "epoll_set.h"
#include "sockets.h"

namespace bench {
namespace {

using handoff::UniqueFd;
using nlohmann::json;

constexpr std::size_t kMaxFds = 253;         // SCM_MAX_FD
constexpr std::size_t kMaxMessage = 212960;  // what the default SO_SNDBUF takes

struct Head {
  std::uint32_t sessions = 0;
};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Sends one message with its fds; blocks while the socket is full.
void send_message(int channel, std::vector<iovec>& parts, const std::vector<int>& fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  while (::sendmsg(channel, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) fail("floor: sendmsg");
  }
}

struct Sender {
  int channel = -1;
  const std::vector<UniqueFd>* sockets = nullptr;
  const std::vector<std::string>* states = nullptr;

  void run(Carrier carrier) const {
    const std::size_t state_bytes = states->front().size();
    const std::size_t room =
        state_bytes == 0 ? kMaxFds : (kMaxMessage - sizeof(Head)) / state_bytes;
    const std::size_t batch =
        carrier == Carrier::kInline ? std::min(kMaxFds, room) : kMaxFds - 1;  // one is the memfd
    for (std::size_t at = 0; at < sockets->size(); at += batch) {
      pass(at, std::min(batch, sockets->size() - at), carrier);
    }
    char answer = 0;
    if (::read(channel, &answer, 1) != 1) fail("floor: the receiver's answer");
  }

  void pass(std::size_t first, std::size_t count, Carrier carrier) const {
    Head head{static_cast<std::uint32_t>(count)};
    std::vector<iovec> parts = {{&head, sizeof head}};
    std::vector<int> fds;
    std::vector<iovec> state;
    for (std::size_t i = first; i < first + count; ++i) {
      fds.push_back((*sockets)[i].get());
      const std::string& bytes = (*states)[i];
      if (!bytes.empty()) state.push_back({const_cast<char*>(bytes.data()), bytes.size()});
    }
    UniqueFd memory;
    if (carrier == Carrier::kMemfd) {
      memory.reset(::memfd_create("floor", MFD_CLOEXEC));
      if (!memory.valid()) fail("memfd_create");
      if (::writev(memory.get(), state.data(), static_cast<int>(state.size())) < 0) fail("writev");
      fds.push_back(memory.get());
    } else {
      parts.insert(parts.end(), state.begin(), state.end());
    }
    send_message(channel, parts, fds);
  }
};

struct Receiver {
  int channel = -1;
  std::size_t sessions = 0;
  std::size_t state_bytes = 0;
  Carrier carrier = Carrier::kInline;
  EpollSet epoll;
  std::uint64_t sum = 0;  // so that reading is not optimized away

  void run() {
    // Room for one message more than all states, since the last receive needs that of a whole one.
    const std::size_t bytes = sessions * state_bytes + kMaxMessage;
    char* const arena = static_cast<char*>(
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (arena == MAP_FAILED) fail("mmap");
    char* at = arena;
    for (std::size_t got = 0; got < sessions;) got += receive(at);
    const char answer = 1;
    if (::write(channel, &answer, 1) != 1) fail("floor: answer");
  }

  std::size_t receive(char*& at) {
    Head head;
    std::array<iovec, 2> parts = {iovec{&head, sizeof head}, iovec{at, kMaxMessage}};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t n = 0;
    do {
      n = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < static_cast<ssize_t>(sizeof head) || (message.msg_flags & MSG_CTRUNC) != 0) {
      throw std::runtime_error("floor: a message was lost or cut");
    }
    at += static_cast<std::size_t>(n) - sizeof head;
    std::array<int, kMaxFds> fds{};
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    std::memcpy(fds.data(), CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    for (std::size_t i = 0; i < head.sessions; ++i) {
      epoll.add(fds[i], static_cast<std::uint64_t>(fds[i]));
    }
    if (carrier == Carrier::kMemfd) read_state(fds[head.sessions], head.sessions * state_bytes);
    return head.sessions;
  }

  // Maps the memfd and reads all of it. The mapping stays: the receiver has the state from now on.
  void read_state(int fd, std::size_t bytes) {
    const auto* state = static_cast<const std::uint64_t*>(
        ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0));
    if (state == MAP_FAILED) fail("mmap of a memfd");
    for (std::size_t i = 0; i < bytes / sizeof *state; ++i) sum += state[i];
    ::close(fd);
  }
};

}  // namespace

int floor_sender() {
  raise_fd_limit();
  int port = 0;
  const UniqueFd listener = listen_tcp(port);
  std::vector<UniqueFd> sockets;
  std::vector<std::string> states;
  while (auto order = hear(kRoleSocket)) {
    if (order->body.contains("run")) {
      const Sender sender{order->fds.at(0).get(), &sockets, &states};
      const std::uint64_t begun = now_ns();
      sender.run(order->body.at("run").get<Carrier>());
      say(kRoleSocket, {{"ns", now_ns() - begun}});
    } else if (order->body.contains("accept")) {
      while (sockets.size() < order->body.at("accept").get<std::size_t>()) {
        sockets.emplace_back(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!sockets.back().valid()) fail("floor: accept");
        states.emplace_back(order->body.at("state").get<std::size_t>(),
                            static_cast<char>(sockets.size()));
      }
      say(kRoleSocket, json::object());
    } else {
      say(kRoleSocket, {{"port", port}});
    }
  }
  return 0;
}

int floor_receiver() {
  raise_fd_limit();
  const auto order = hear(kRoleSocket);
  if (!order) return 1;
  Receiver receiver{.channel = order->fds.at(0).get(),
                    .sessions = order->body.at("sessions"),
                    .state_bytes = order->body.at("state"),
                    .carrier = order->body.at("carrier").get<Carrier>()};
  say(kRoleSocket, json::object());
  receiver.run();
  say(kRoleSocket, {{"sum", receiver.sum}});
  hear(kRoleSocket);
  return 0;
}

Floor::Floor(std::size_t sessions, std::size_t state_bytes, Herd& clients)
    : sessions_(sessions), state_bytes_(state_bytes), sender_("floor-sender") {
  const int port = sender_.ask({{"port", true}}).body.at("port");
  sender_.tell({{"accept", sessions_}, {"state", state_bytes_}});
  clients.connect(port, sessions_);
  sender_.answer();
}

double Floor::run(Carrier carrier) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) < 0) fail("socketpair");
  const UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  Partner receiver("floor-receiver");
  receiver.ask({{"sessions", sessions_}, {"state", state_bytes_}, {"carrier", carrier}},
               {theirs.get()});
  const double ns = sender_.ask({{"run", carrier}}, {ours.get()}).body.at("ns").get<double>();
  receiver.answer();
  return ns / 1000;
}

}  // namespace bench
