// How connections end on a layer that owns them: the client gets the whole answer, a stop has a
// deadline, too much input has a bound, and listeners rest when there is no fd to accept with.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <csignal>

#include "handoff/detail/uv_linger.hpp"
#include "kits.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using uv::Linger;

class KitEndTest : public KitTest {};
INSTANTIATE_TEST_SUITE_P(All, KitEndTest, ::testing::ValuesIn(kAllLayers), layers_of);
// Without a second process.
class KitEndAloneTest : public KitTest {};
INSTANTIATE_TEST_SUITE_P(All, KitEndAloneTest, ::testing::ValuesIn(kEachLayer), layers_of);

// More than a socket's buffers take (tcp_wmem, tcp_rmem: 4 MB and 6 MB at most).
constexpr std::size_t kAnswer = 16'000'000;
// One that they take whole: the kernel doubles SO_SNDBUF, and 212,992 is allowed (socket(7)).
constexpr std::size_t kSmallAnswer = 200'000;

// Answers "quit" with as many bytes as asked for, and is done. Other lines come back.
class Quitting final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    if (!bytes.starts_with("quit ")) {
      write(bytes);
      return bytes.size();
    }
    const int most = kSmallAnswer;
    ::setsockopt(line().fd(), SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    write(std::string(std::stoul(std::string(bytes.substr(5))), 'a'));
    line().close();
    write("nobody gets this");
    return bytes.size();
  }
};

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

void stop_within(ServiceProcess& service, std::uint64_t ms) {
  v1::Stop stop;
  stop.set_deadline_us((Linger::clock_ms() + ms) * 1000);
  send(service.control(), Type::kStop, stop);
}

TEST_P(KitEndAloneTest, AClientThatGoesOnSendingGetsTheWholeAnswer) {
  ServiceProcess service(1, donor(program_of<Quitting>()));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  for (const std::size_t answer : {kAnswer, kSmallAnswer}) {
    const auto client = quitting_client(owner, answer);
    EXPECT_EQ((Got{answer - 1, 0}), read_out(client->fd()));
  }
}

// A session that is closing moves with what it has to send, and the heir closes it.
TEST_P(KitEndTest, AnAnswerThatIsNotSentYetIsSentByTheHeir) {
  ServiceProcess first(1, donor(program_of<Quitting>()));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  const auto client = quitting_client(owner);
  const auto second = start_heir(first, 2, heir(program_of<Quitting>()));
  EXPECT_EQ(1U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(0, first.wait());
  EXPECT_EQ((Got{kAnswer - 1, 0}), read_out(client->fd()));
}

// The answer is in the kernel's buffers, so the session is over and is not handed over. The donor
// sees to the client, although it has retired.
TEST_P(KitEndTest, ARetiredDonorStillLetsTheClientReadTheAnswer) {
  ServiceProcess first(1, donor(program_of<Quitting>()));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  const auto client = quitting_client(owner, kSmallAnswer);
  LineClient other(owner.named(0).address());
  other.send("next\n");
  EXPECT_EQ("next\n", other.line());
  const auto second = start_heir(first, 2, heir(program_of<Quitting>()));
  EXPECT_EQ(1U, second->await_message<v1::Owner>(Type::kOwner).sessions()) << "only the other one";
  client->send("PING\n");
  EXPECT_EQ((Got{kSmallAnswer - 1, 0}), read_out(client->fd()));
  ::shutdown(client->fd(), SHUT_WR);
  EXPECT_EQ(0, first.wait());
}

TEST_P(KitEndAloneTest, AServiceThatStopsLetsTheClientHaveTheAnswerFirst) {
  ServiceProcess service(1, donor(program_of<Quitting>()));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  const auto client = quitting_client(owner);
  stop_within(service, 60'000);
  client->send("PING\n");
  EXPECT_EQ((Got{kAnswer - 1, 0}), read_out(client->fd()));
  // The client does not end its half, and is not waited for.
  EXPECT_EQ(0, service.wait());
}

TEST_P(KitEndAloneTest, AServiceThatStopsCutsOffWhoDoesNotReadBeforeTheDeadline) {
  ServiceProcess service(1, donor(program_of<Quitting>()));
  const auto client = quitting_client(service.await_message<v1::Owner>(Type::kOwner));
  const std::uint64_t begun = Linger::clock_ms();
  stop_within(service, 2000);
  EXPECT_EQ(0, service.wait());
  EXPECT_GE(Linger::clock_ms() - begun, 1700U) << "it has nine tenths of the time";
}

// ---- last words

// A layer, such as TLS, that says goodbye before its connection ends.
class Parting final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    if (bytes.starts_with("quit")) line().close();
    if (!bytes.starts_with("quit")) write(bytes);
    return bytes.size();
  }
  void closing() override { write("goodbye\n"); }
};

TEST_P(KitEndAloneTest, ALayerSaysItsLastWordsWhoeverCloses) {
  ServiceProcess service(1, donor(program_of<Parting>()));
  const std::string address = service.await_message<v1::Owner>(Type::kOwner).named(0).address();
  LineClient asks(address), ends(address), stays(address);
  for (LineClient* client : {&asks, &ends, &stays}) {
    client->send("hello\n");
    EXPECT_EQ("hello\n", client->line());
  }
  asks.send("quit\n");
  ::shutdown(ends.fd(), SHUT_WR);
  for (LineClient* client : {&asks, &ends}) {
    EXPECT_EQ("goodbye\n", client->line());
    EXPECT_EQ("EOF", client->line());
  }
  stop_within(service, 60'000);
  EXPECT_EQ("goodbye\n", stays.line());
  EXPECT_EQ("EOF", stays.line());
  EXPECT_EQ(0, service.wait());
}

// ---- input

// Counts the bytes that it looks at. A line is answered with its length and that number; "pause"
// stops in front of the line that follows, and "go on" of another connection ends that.
class Counting final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    std::size_t used = 0;
    std::size_t from = line().seen();
    for (;;) {
      const std::size_t end = bytes.find('\n', from);
      looked_ += (end == std::string_view::npos ? bytes.size() : end + 1) - from;
      if (end == std::string_view::npos) return used;
      const std::string_view text = bytes.substr(used, end - used);
      write(std::to_string(text.size()) + " " + std::to_string(looked_) + "\n");
      used = from = end + 1;
      if (text == "pause") {
        line().pause();
        return used;
      }
      if (text == "go on") line().each([](Line& other) { other.resume(); });
    }
  }

 private:
  std::size_t looked_ = 0;
};

TEST_P(KitEndAloneTest, ALongLineIsLookedAtOnce) {
  ServiceProcess service(1, donor(program_of<Counting>()));
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  constexpr std::size_t kLong = 10'000'000;  // some 150 reads
  client.send(std::string(kLong, 'a') + "\n");
  EXPECT_EQ(std::to_string(kLong) + " " + std::to_string(kLong + 1) + "\n", client.line());
  client.send("b\n");
  EXPECT_EQ("1 " + std::to_string(kLong + 3) + "\n", client.line());
}

TEST_P(KitEndAloneTest, InputBehindAPauseCountsAsNotSeen) {
  ServiceProcess service(1, donor(program_of<Counting>()));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), other(owner.named(0).address());
  one.send("pause\nabc\n");
  EXPECT_EQ("5 6\n", one.line());
  other.send("go on\n");
  EXPECT_EQ("5 6\n", other.line());
  EXPECT_EQ("3 10\n", one.line());
}

// The heir is another program: it has looked at nothing.
TEST_P(KitEndTest, ARestoredConnectionHasSeenNothing) {
  ServiceProcess first(1, donor(program_of<Counting>()));
  LineClient client(first.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send("a\nhalf");
  EXPECT_EQ("1 2\n", client.line());
  const auto second = start_heir(first, 2, heir(program_of<Counting>()));
  second->await_message<v1::Owner>(Type::kOwner);
  client.send(" of it\n");
  EXPECT_EQ("10 11\n", client.line()) << "4 of them when it was restored";
}

// Consumes nothing.
class Waiting : public Session {
 public:
  std::size_t input(std::string_view /*bytes*/) override { return 0; }
};
class Explaining final : public Waiting {
  bool overflow() override {
    write("too long\n");
    return true;
  }
};

TEST_P(KitEndAloneTest, AConnectionWithMoreThanMaxInputEnds) {
  Program program = program_of<Waiting>();
  program.max_input = 1000;
  program.listeners.front().name = kByDefault;
  ServiceProcess service(1, donor(program));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  LineClient within(owner.named(0).address()), beyond(owner.named(0).address());
  within.send(std::string(1000, 'a'));
  beyond.send(std::string(1001, 'a'));
  EXPECT_EQ("EOF", beyond.line());
  within.send("a");
  EXPECT_EQ("EOF", within.line());
}

TEST_P(KitEndAloneTest, AConnectionMaySayWhyItEnds) {
  Program program = program_of<Explaining>();
  program.max_input = 1000;
  ServiceProcess service(1, donor(program));
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send(std::string(5000, 'a'));
  EXPECT_EQ("too long\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

TEST_P(KitEndAloneTest, ByDefaultItIs16MiB) {
  ServiceProcess service(1, donor(program_of<Waiting>()));
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send(std::string((16U << 20) + 1, 'a'));
  EXPECT_EQ("EOF", client.line());
}

// ---- no fd to accept with

class Echo final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    write(bytes);
    return bytes.size();
  }
};

// Its limit lets it have so many connections.
Program limited(rlim_t connections) {
  Program program = program_of<Echo>();
  program.started = [connections](const Now&) {
    const int next = ::dup(0);
    ::close(next);
    const rlimit limit{static_cast<rlim_t>(next) + connections,
                       static_cast<rlim_t>(next) + connections};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  };
  return program;
}

// Processor time that the process has used, in milliseconds.
std::uint64_t used_ms(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  EXPECT_EQ(0, ::clock_getcpuclockid(pid, &clock));
  EXPECT_EQ(0, ::clock_gettime(clock, &used));
  return static_cast<std::uint64_t>(used.tv_sec) * 1000 +
         static_cast<std::uint64_t>(used.tv_nsec) / 1'000'000;
}

TEST_P(KitEndAloneTest, WithoutAFreeFdAConnectionWaitsAndTheLoopDoesNotSpin) {
  ServiceProcess service(1, donor(limited(4)));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  // The first two leave fds free: clang's sanitizer takes two when it sees an object for the first
  // time.
  LineClient first(owner.named(0).address());
  EXPECT_EQ("f", first.ask("f"));
  LineClient second(owner.named(0).address());
  EXPECT_EQ("s", second.ask("s"));
  auto one = std::make_unique<LineClient>(owner.named(0).address());
  LineClient two(owner.named(0).address());
  EXPECT_EQ("a", one->ask("a"));
  EXPECT_EQ("b", two.ask("b"));
  LineClient three(owner.named(0).address());
  three.send("c\n");
  const std::uint64_t before = used_ms(service.pid());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ("b", two.ask("b"));
    pollfd end{three.fd(), POLLIN, 0};
    EXPECT_EQ(0, ::poll(&end, 1, 50)) << "there is no fd for it";
  }
  EXPECT_LT(used_ms(service.pid()) - before, 250U) << "of 500 ms";
  one.reset();
  EXPECT_EQ("c\n", three.line());
}

}  // namespace
}  // namespace handoff::test
