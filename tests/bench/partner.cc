#include "partner.h"

#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace bench {
namespace {

constexpr std::size_t kMaxBody = 65536;
constexpr std::size_t kMaxFds = 8;

[[noreturn]] void fail(const char* what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

void say(int socket, const nlohmann::json& body, const std::vector<int>& fds) {
  std::string text = body.dump();
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) fail("sendmsg to a partner");
}

std::optional<Message> hear(int socket) {
  std::string text(kMaxBody, '\0');
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno != ECONNRESET) fail("recvmsg from a partner");
  if (n <= 0) return std::nullopt;
  Message out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      out.fds.emplace_back(fd);
    }
  }
  text.resize(static_cast<std::size_t>(n));
  out.body = nlohmann::json::parse(text);
  return out;
}

Partner::Partner(const std::string& role, int cpu) : role_(role) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) < 0) fail("socketpair");
  socket_.reset(pair[0]);
  // posix_spawn's dup2 of an fd to its own number would leave it close-on-exec, so the fd gets
  // another number first.
  const handoff::UniqueFd theirs(pair[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kRoleSocket);
  std::string program = "/proc/self/exe";
  std::string option = "--role";
  std::string cpu_text = std::to_string(cpu);
  std::array<char*, 5> argv = {program.data(), option.data(), role_.data(), cpu_text.data(),
                               nullptr};
  const int result = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (result != 0) fail("starting a partner", result);
}

Partner::~Partner() {
  socket_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Partner::tell(const nlohmann::json& order, const std::vector<int>& fds) {
  say(socket_.get(), order, fds);
}

Message Partner::answer() {
  auto message = hear(socket_.get());
  if (!message) throw std::runtime_error("the bench's " + role_ + " has died");
  if (message->body.contains("error")) {
    throw std::runtime_error("the bench's " + role_ + ": " +
                             message->body.at("error").get<std::string>());
  }
  return std::move(*message);
}

Message Partner::ask(const nlohmann::json& order, const std::vector<int>& fds) {
  tell(order, fds);
  return answer();
}

}  // namespace bench
