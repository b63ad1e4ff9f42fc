// The side of those who ask a keeper.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "libhandoff/vault/keeper.h"

namespace handoff::vault {
namespace {

std::int64_t now_ms() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

Result<void> wait_for(int socket, std::int64_t until_ms) {
  for (;;) {
    pollfd readable{socket, POLLIN, 0};
    const std::int64_t left = until_ms - now_ms();
    const int n = ::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (n > 0) return {};
    if (n == 0) return fail(-ETIMEDOUT, "the keeper does not answer");
    if (errno != EINTR) return fail_errno("waiting for the keeper");
  }
}

struct Answer {
  std::uint32_t n = 0;
  std::vector<std::int32_t> numbers;
  std::vector<UniqueFd> fds;  // as many
};

// nullopt: nothing came after all.
Result<std::optional<Answer>> next_answer(int socket) {
  struct {
    std::uint32_t n;
    std::int32_t numbers[kKeeperBatch];
  } batch{};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof batch.numbers)];
  iovec part{&batch, sizeof batch};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (n < 0 && errno != ECONNRESET) return fail_errno("the keeper's answer");
  if (n <= 0) return fail(-EPIPE, "the keeper has gone");
  Answer out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + (at - CMSG_LEN(0)), sizeof fd);
      out.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return fail(-EMFILE, "this process has no room for the fds of the keeper (RLIMIT_NOFILE)");
  }
  if (static_cast<std::size_t>(n) < sizeof batch.n) {
    return fail(-EPROTO, "the keeper's answer is cut");
  }
  out.n = batch.n;
  const std::size_t numbers = static_cast<std::size_t>(n) / sizeof batch.n - 1;
  out.numbers.assign(batch.numbers, batch.numbers + numbers);
  if (out.n <= kKeeperBatch && (out.n != out.fds.size() || out.n != numbers)) {
    return fail(-EPROTO, "the keeper's answer has other fds than it names");
  }
  return out;
}

// The next one that there is before that time.
Result<Answer> wait_for_answer(int socket, std::int64_t until_ms) {
  for (;;) {
    if (auto ok = wait_for(socket, until_ms); !ok) return Failure(ok.error());
    auto answer = next_answer(socket);
    if (!answer) return Failure(answer.error());
    std::optional<Answer> one = std::move(*answer);
    if (one) return *std::move(one);
  }
}

}  // namespace

Result<Kept> ask_keeper(int socket, int timeout_ms) {
  const std::int64_t until = now_ms() + timeout_ms;
  if (::send(socket, "g", 1, MSG_NOSIGNAL) != 1) return fail_errno("asking the keeper");
  Kept out;
  bool began = false;
  for (;;) {
    auto answer = wait_for_answer(socket, until);
    if (!answer) return Failure(answer.error());
    if (answer->n == kKeeperBusy) return fail(-EBUSY, "the service lives");
    if (answer->n == kKeeperBegins) {
      began = true;
      out.clear();
      continue;
    }
    if (!began) continue;  // of an answer that another asker has not read to its end
    if (answer->n == 0) return out;
    for (std::size_t i = 0; i < answer->fds.size(); ++i) {
      out[answer->numbers[i]] = std::move(answer->fds[i]);
    }
  }
}

Result<UniqueFd> ask_for_memory(int socket, int timeout_ms) {
  const std::int64_t until = now_ms() + timeout_ms;
  if (::send(socket, "m", 1, MSG_NOSIGNAL) != 1) return fail_errno("asking the keeper");
  auto answer = wait_for_answer(socket, until);
  if (!answer) return Failure(answer.error());
  if (answer->fds.size() != 1) return fail(-EPROTO, "the keeper has no memory to give");
  return std::move(answer->fds.front());
}

void dismiss_keeper(int socket) { (void)::send(socket, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT); }

}  // namespace handoff::vault
