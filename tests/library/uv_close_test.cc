// A connection that uv.hpp closes: the client gets the whole answer, whatever it still sends.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <handoff/uv.hpp>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using uv::Linger;

// More than a socket's buffers take (tcp_wmem, tcp_rmem: 4 MB and 6 MB at most).
constexpr std::size_t kAnswer = 16'000'000;

// One that they take whole: the kernel doubles SO_SNDBUF, and 212,992 is allowed (socket(7)).
constexpr std::size_t kSmallAnswer = 200'000;

// Answers "quit" with as many bytes as asked for, and is done. Other lines come back.
class Quitting : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    if (!input.starts_with("quit ")) {
      write(input);
      return input.size();
    }
    const int most = kSmallAnswer;
    ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    write(std::string(std::stoul(std::string(input.substr(5))), 'a'));
    close();
    return input.size();
  }
  std::string save() const override { return "s"; }
};

int run_quitting() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Quitting>(); },
      [](std::string_view) { return std::make_unique<Quitting>(); });
  host.start();
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

// Reads until the peer's end, but at most so many bytes.
struct Got {
  std::size_t bytes = 0;
  int error = 0;
  bool operator==(const Got&) const = default;
};
void PrintTo(const Got& got, std::ostream* out) {
  *out << got.bytes << " bytes, then " << (got.error == 0 ? "EOF" : strerror(got.error));
}
Got read_out(int fd, std::size_t limit = kAnswer + 1) {
  Got got;
  std::array<char, 65536> buffer;
  while (got.bytes < limit) {
    const ssize_t n = ::recv(fd, buffer.data(), std::min(buffer.size(), limit - got.bytes), 0);
    if (n == 0) return got;
    if (n < 0) return {got.bytes, errno};
    got.bytes += static_cast<std::size_t>(n);
  }
  return got;
}

// A client that has asked, has got the beginning of the answer, and says one thing more.
std::unique_ptr<LineClient> quitting_client(const v1::Owner& owner, std::size_t answer = kAnswer) {
  auto client = std::make_unique<LineClient>(owner.named(0).address());
  client->send("quit " + std::to_string(answer) + "\n");
  EXPECT_EQ((Got{1, 0}), read_out(client->fd(), 1));
  client->send("PING\n");
  return client;
}

TEST(UvCloseTest, AClientThatGoesOnSendingGetsTheWholeAnswer) {
  ServiceProcess service(1, run_quitting);
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  for (const std::size_t answer : {kAnswer, kSmallAnswer}) {
    const auto client = quitting_client(owner, answer);
    EXPECT_EQ((Got{answer - 1, 0}), read_out(client->fd()));
  }
}

// The answer is in the kernel's buffers, so the session is over and is not handed over. The donor
// sees to the client, although it has retired.
TEST(UvCloseTest, ARetiredDonorStillLetsTheClientReadTheAnswer) {
  ServiceProcess donor(1, run_quitting);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  const auto client = quitting_client(owner, kSmallAnswer);
  LineClient other(owner.named(0).address());
  other.send("next\n");
  EXPECT_EQ("next\n", other.line());
  const auto heir = start_heir(donor, 2, run_quitting);
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions()) << "only the other one";
  client->send("PING\n");
  EXPECT_EQ((Got{kSmallAnswer - 1, 0}), read_out(client->fd()));
  ::shutdown(client->fd(), SHUT_WR);
  EXPECT_EQ(0, donor.wait());
}

TEST(UvCloseTest, AServiceThatStopsLetsTheClientHaveTheAnswerFirst) {
  ServiceProcess service(1, run_quitting);
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  const auto client = quitting_client(owner);
  v1::Stop stop;
  stop.set_deadline_us(static_cast<std::uint64_t>(Linger::clock_ms() + 60'000) * 1000);
  send(service.control(), Type::kStop, stop);
  client->send("PING\n");
  EXPECT_EQ((Got{kAnswer - 1, 0}), read_out(client->fd()));
  // The client does not end its half, and is not waited for.
  EXPECT_EQ(0, service.wait());
}

// ---- Linger itself, with clients that are the other ends of socket pairs

struct Pair {
  UniqueFd client;
  int server = -1;
};
Pair make_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()));
  return {UniqueFd(fds[0]), fds[1]};
}
// Whether the other end is closed: its half of the connection alone would be EPIPE as well, so this
// asks for the hang-up.
bool closed(const UniqueFd& client) {
  pollfd end{client.get(), 0, 0};
  ::poll(&end, 1, 0);
  return (end.revents & POLLHUP) != 0;
}

class LingerTest : public ::testing::Test {
 protected:
  LingerTest() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  UniqueFd epoll_;
  Linger linger_;
};

TEST_F(LingerTest, AClientThatHasEndedIsNotWaitedFor) {
  Pair one = make_pair();
  EXPECT_EQ(2, ::send(one.client.get(), "ab", 2, 0));
  ::shutdown(one.client.get(), SHUT_WR);
  linger_.add(one.server, epoll_.get(), 0);
  EXPECT_TRUE(linger_.empty());
  EXPECT_TRUE(closed(one.client));
}

TEST_F(LingerTest, AClientThatStaysIsClosedAfterAWhile) {
  const Pair one = make_pair();
  linger_.add(one.server, epoll_.get(), 1000);
  char byte = 0;
  EXPECT_EQ(0, ::recv(one.client.get(), &byte, 1, 0)) << "it sees the end at once";
  EXPECT_EQ(Linger::kLingerMs, linger_.left_ms(1000));
  linger_.expire(1000 + Linger::kLingerMs - 1);
  EXPECT_FALSE(closed(one.client));
  linger_.expire(1000 + Linger::kLingerMs);
  EXPECT_TRUE(closed(one.client));
}

TEST_F(LingerTest, BeyondTheNumberTheOldestIsClosed) {
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i <= Linger::kMaxLingering; ++i) {
    Pair one = make_pair();
    clients.push_back(std::move(one.client));
    linger_.add(one.server, epoll_.get(), i);
  }
  EXPECT_EQ(Linger::kMaxLingering, linger_.size());
  EXPECT_TRUE(closed(clients[0]));
  EXPECT_FALSE(closed(clients[1]));
}

TEST_F(LingerTest, AnEventOfOneThatHasEndedConcernsNobody) {
  const Pair one = make_pair();
  linger_.add(one.server, epoll_.get(), 0);
  EXPECT_EQ(1, ::send(one.client.get(), "a", 1, 0));
  epoll_event event{};
  ASSERT_EQ(1, ::epoll_wait(epoll_.get(), &event, 1, 0));
  EXPECT_EQ(2U, event.data.u64 & 3);
  linger_.on_event(event.data.u64);
  EXPECT_FALSE(linger_.empty()) << "it has sent something, and not ended";
  linger_.expire(Linger::kLingerMs);
  linger_.on_event(event.data.u64);
  EXPECT_TRUE(linger_.empty());
}

}  // namespace
}  // namespace handoff::test
