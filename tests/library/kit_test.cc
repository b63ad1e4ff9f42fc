// What a layer that owns connections does at a switch: sessions go on with half their input, with
// what was not sent, with clients that don't read, and each is served by one process at a time.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <set>
#include <utility>

#include "kits.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

INSTANTIATE_TEST_SUITE_P(All, KitTest, ::testing::ValuesIn(kAllLayers), layers_of);
// Without a second process.
class KitAloneTest : public KitTest {};
INSTANTIATE_TEST_SUITE_P(All, KitAloneTest, ::testing::ValuesIn(kEachLayer), layers_of);

class Echo : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    write(bytes);
    return bytes.size();
  }
};

// Answers a line with the number of the lines before it.
class Counting final : public Session {
 public:
  explicit Counting(std::uint64_t lines = 0) : lines_(lines) {}
  std::size_t input(std::string_view bytes) override {
    std::size_t used = 0;
    for (std::size_t end; (end = bytes.find('\n', used)) != std::string_view::npos;) {
      write(std::to_string(lines_++) + " " + std::string(bytes.substr(used, end + 1 - used)));
      used = end + 1;
    }
    return used;
  }
  std::string save() const override { return std::to_string(lines_); }

 private:
  std::uint64_t lines_;
};
Program counting() {
  return {.listeners = {{"public", [] { return std::make_unique<Counting>(); },
                         [](std::string_view state) {
                           return std::make_unique<Counting>(std::stoull(std::string(state)));
                         }}}};
}

TEST_P(KitTest, HalfALineAndTheStateGoAlong) {
  ServiceProcess first(1, donor(counting()));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), two(owner.named(0).address());
  one.send("a\nhal");
  EXPECT_EQ("0 a\n", one.line());
  two.send("b\n");
  EXPECT_EQ("0 b\n", two.line());
  const auto second = start_heir(first, 2, heir(counting()));
  EXPECT_EQ(2U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(0, first.wait());
  one.send("f\n");
  EXPECT_EQ("1 half\n", one.line());
  two.send("c\nd\n");
  EXPECT_EQ("1 c\n", two.line());
  EXPECT_EQ("2 d\n", two.line());
  LineClient fresh(owner.named(0).address());
  EXPECT_EQ("0 e", fresh.ask("e"));
}

// Answers "N" with N lines, which are more than the kernel's buffers take.
class Wordy final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    if (!bytes.ends_with('\n')) return 0;
    for (std::size_t i = 0, n = std::stoul(std::string(bytes)); i < n; ++i) {
      write(std::to_string(i) + std::string(100, '.') + "\n");
    }
    return bytes.size();
  }
};

TEST_P(KitTest, AClientThatDoesNotReadLosesNoByte) {
  constexpr std::size_t kLines = 150'000;
  ServiceProcess first(1, donor(program_of<Wordy>()));
  LineClient client(first.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send(std::to_string(kLines) + "\n");
  EXPECT_EQ("0" + std::string(100, '.'), client.next());
  const auto second = start_heir(first, 2, heir(program_of<Wordy>()));
  second->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0, first.wait());
  for (std::size_t i = 1; i < kLines; ++i) {
    ASSERT_EQ(std::to_string(i) + std::string(100, '.'), client.next());
  }
  client.send("1\n");
  EXPECT_EQ("0" + std::string(100, '.'), client.next());
}

// Input that nobody reads as long as the answers wait: the server's memory has a bound.
TEST_P(KitAloneTest, AClientThatDoesNotReadIsNotRead) {
  ServiceProcess service(1, donor(program_of<Echo>()));
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  // Both directions' buffers and the high water are far below this.
  const std::string block(std::size_t{1} << 20, 'x');
  std::size_t sent = 0;
  for (int quiet = 0; quiet < 20 && sent < (std::size_t{200} << 20);) {
    const ssize_t n = ::send(client.fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      quiet = 0;
    } else {
      pollfd end{client.fd(), POLLOUT, 0};
      ::poll(&end, 1, 50);
      ++quiet;
    }
  }
  EXPECT_LT(sent, std::size_t{100} << 20);
}

// Ends at a line "bye".
class Polite final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    write(bytes);
    if (bytes.ends_with("bye\n")) line().close();
    return bytes.size();
  }
};

// A donor may have a session's socket open for a while after the switch, so the heir must end the
// connection by more than close(2).
TEST_P(KitTest, AnHeirsSessionEndsForItsClientAlsoWhileTheDonorStillHasItsSocket) {
  Program stops = program_of<Polite>();
  stops.retired = [](std::size_t) { ::raise(SIGSTOP); };
  ServiceProcess first(1, donor(stops));
  LineClient client(first.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send("hello\n");
  EXPECT_EQ("hello\n", client.line());
  const auto second = start_heir(first, 2, heir(program_of<Polite>()));
  second->await_message<v1::Owner>(Type::kOwner);
  ASSERT_TRUE(first.wait_stopped());
  client.send("bye\n");
  EXPECT_EQ("bye\n", client.line());
  EXPECT_EQ("EOF", client.line());
  first.signal(SIGCONT);
  EXPECT_EQ(0, first.wait());
}

// Reads nothing before it is restored, and stops its process at the first request.
class Stopping final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    ::raise(SIGSTOP);
    write(bytes);
    return bytes.size();
  }
  void opened(bool adopted) override {
    if (adopted) return;
    write("new\n");
    line().pause();
  }
};

// The upgrade and the reported blackout end only when the heir has said that it runs.
TEST_P(KitTest, AnHeirSaysThatItRunsBeforeItServesItsFirstRequest) {
  ServiceProcess first(1, donor(program_of<Stopping>()));
  LineClient client(first.await_message<v1::Owner>(Type::kOwner).named(0).address());
  EXPECT_EQ("new\n", client.line());
  client.send("hello\n");
  const auto second = start_heir(first, 2, heir(program_of<Stopping>()));
  ASSERT_TRUE(second->wait_stopped());
  EXPECT_EQ(1U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  second->signal(SIGCONT);
  EXPECT_EQ("hello\n", client.line());
}

// Echoes, and must never be called once its sockets are the heir's.
class Wary final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    if (line().state() == HANDOFF_STATE_RETIRED) ::_exit(9);
    write(bytes);
    return bytes.size();
  }
};
// The process has a client of its own, which writes just after each step of the handoff is due. So
// whenever the loop wakes up for a step, input is ready behind it.
Program wary() {
  Program program = program_of<Wary>();
  const auto client = std::make_shared<std::unique_ptr<LineClient>>();
  program.started = [client](const Now& now) {
    *client = std::make_unique<LineClient>(now.address);
  };
  program.each_turn = [client](const Now& now) {
    if (now.state == HANDOFF_STATE_DONOR && readable(now.fd)) (*client)->send("x\n");
  };
  return program;
}

TEST_P(KitTest, ADonorThatRetiresReadsNoMoreInThatTurnOfItsLoop) {
  auto first = std::make_unique<ServiceProcess>(1, donor(wary()));
  LineClient client(first->await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send("to the donor\n");
  EXPECT_EQ("to the donor\n", client.line());
  for (std::uint64_t generation = 2; generation < 12; ++generation) {
    auto second =
        start_heir(*first, generation, generation % 2 == 0 ? heir(wary()) : donor(wary()));
    second->await_message<v1::Owner>(Type::kOwner);
    ASSERT_EQ(0, first->wait());
    client.send("to the heir\n");
    ASSERT_EQ("to the heir\n", client.line());
    first = std::move(second);
  }
}

// Tells its client whether the session is new or restored, before any input is looked at.
class Told final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    if (!told_) ::_exit(9);
    if (bytes.starts_with("wait")) return 0;
    line().each([&](Line& other) { other.write(bytes); });
    return bytes.size();
  }
  void opened(bool adopted) override {
    told_ = true;
    if (adopted) line().each([](Line& other) { other.write("restored\n"); });
  }

 private:
  bool told_ = false;
};

TEST_P(KitTest, AllAreToldThatTheyAreRestoredBeforeAnyInputIsLookedAt) {
  constexpr int kClients = 20;
  ServiceProcess first(1, donor(program_of<Told>()));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
    clients.back()->send("hello\n");
    EXPECT_EQ("hello\n", clients.back()->line());
    for (int j = 0; j < i; ++j) EXPECT_EQ("hello\n", clients[static_cast<std::size_t>(j)]->line());
  }
  // Input that waits, and goes along, as does what comes behind it while nobody reads.
  for (auto& client : clients) client->send("wait");
  const auto second = start_heir(first, 2, heir(program_of<Told>()));
  second->await_message<v1::Owner>(Type::kOwner);
  for (auto& client : clients) {
    for (int i = 0; i < kClients; ++i) ASSERT_EQ("restored\n", client->line());
  }
}

// Takes one line a call. It pauses and goes on in each, like one that asks somebody who answers at
// once.
class Prompt final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    const std::size_t used = bytes.find('\n') + 1;
    if (used == 0) return 0;  // there is none
    if (std::exchange(within_, true)) ::_exit(9);
    line().pause();
    line().resume();
    write(bytes.substr(0, used));
    within_ = false;
    return used;
  }

 private:
  bool within_ = false;
};

TEST_P(KitAloneTest, ToGoOnWithinACallIsToBeCalledAgainAfterIt) {
  ServiceProcess service(1, donor(program_of<Prompt>()));
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  for (int i = 0; i < 3; ++i) {
    client.send("a\nb\nc");
    EXPECT_EQ("a\n", client.line());
    EXPECT_EQ("b\n", client.line());
    client.send("\n");
    EXPECT_EQ("c\n", client.line());
  }
}

// ---- listeners and lanes

// Answers each line with its class.
template <char kClass>
class Classed final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    write(std::string(1, kClass) + "\n");
    return bytes.size();
  }
  std::string save() const override { return ""; }
};
Program two_listeners(bool turned) {
  Program program = program_of<Classed<'p'>>();
  program.listeners.push_back(program_of<Classed<'a'>>().listeners.front());
  program.listeners[1].name = "admin";
  if (turned) std::swap(program.listeners[0], program.listeners[1]);
  return program;
}

TEST_P(KitTest, EachListenerRestoresItsOwnWhateverTheirOrder) {
  ServiceProcess first(1, donor(two_listeners(false)));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  std::map<std::string, std::unique_ptr<LineClient>> clients;
  for (const auto& named : owner.named()) {
    clients[named.name()] = std::make_unique<LineClient>(named.address());
  }
  EXPECT_EQ("p", clients.at("public")->ask("?"));
  EXPECT_EQ("a", clients.at("admin")->ask("?"));
  const auto second = start_heir(first, 2, heir(two_listeners(true)));
  EXPECT_EQ(2U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ("p", clients.at("public")->ask("?"));
  EXPECT_EQ("a", clients.at("admin")->ask("?"));
}

// Answers every line with the number of its thread's loop.
class Placed final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    write(std::to_string(::gettid()) + "\n");
    return bytes.size();
  }
};
Program lanes(std::uint32_t number) {
  Program program = program_of<Placed>();
  program.lanes = number;
  return program;
}

TEST_P(KitTest, TheKitsOfTwoLoopsHandOverToThreeAndTheseToOne) {
  auto first = std::make_unique<ServiceProcess>(1, donor(lanes(2)));
  const auto owner = first->await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
  }
  for (auto& client : clients) client->ask("where?");
  std::uint64_t generation = 1;
  for (const std::uint32_t number : {3U, 1U, 2U}) {
    auto second = start_heir(*first, ++generation, heir(lanes(number)));
    EXPECT_EQ(60U, second->await_message<v1::Owner>(Type::kOwner).sessions());
    ASSERT_EQ(0, first->wait());
    first = std::move(second);
    std::set<std::string> places;
    for (auto& client : clients) places.insert(client->ask("where?"));
    EXPECT_EQ(number, places.size()) << "each loop has some of them";
  }
}

}  // namespace
}  // namespace handoff::test
