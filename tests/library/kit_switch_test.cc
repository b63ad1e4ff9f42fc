// What a service on a layer that owns connections hears of a switch, and when: its own tables and
// timers know connections, and must not outlive them. And what becomes of sessions if one side
// fails.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "kit_holding.h"
#include "kits.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

class KitSwitchTest : public KitTest {};
INSTANTIATE_TEST_SUITE_P(All, KitSwitchTest, ::testing::ValuesIn(kAllLayers), layers_of);
class KitSwitchAloneTest : public KitTest {};
INSTANTIATE_TEST_SUITE_P(All, KitSwitchAloneTest, ::testing::ValuesIn(kEachLayer), layers_of);

// A chat: all members hear every tick of a timer.
using Members = std::set<Session*>;
class Member final : public Session {
 public:
  explicit Member(std::shared_ptr<Members> members) : members_(std::move(members)) {}
  std::size_t input(std::string_view bytes) override { return bytes.size(); }
  void opened(bool /*adopted*/) override { members_->insert(this); }
  void closed() override { members_->erase(this); }
  void moved() override { members_->erase(this); }

 private:
  std::shared_ptr<Members> members_;
};
Program chat() {
  const auto members = std::make_shared<Members>();
  const auto make = [members](auto...) { return std::make_unique<Member>(members); };
  Program program{.listeners = {{"public", make, make}}};
  program.tick_ms = 1;
  program.tick = [members] {
    for (Session* member : *members) member->write("tick\n");
  };
  return program;
}

// 600 members, so that ending them takes the donor longer than a tick.
TEST_P(KitSwitchTest, ATimerThatBroadcastsFindsNoConnectionThatHasGone) {
  auto first = std::make_unique<ServiceProcess>(1, donor(chat()));
  const auto owner = first->await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 600; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
    ASSERT_EQ("tick\n", clients.back()->line());
  }
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    auto second =
        start_heir(*first, generation, generation % 2 == 0 ? heir(chat()) : donor(chat()));
    EXPECT_EQ(600U, second->await_message<v1::Owner>(Type::kOwner).sessions());
    EXPECT_EQ(0, first->wait());
    first = std::move(second);
  }
  for (auto& client : clients) ASSERT_EQ("tick\n", client->line());
}

// Notes what it hears, and in which state of things.
struct Notes {
  std::vector<std::string> heard = {};
  bool retired = false;
};
class Noting final : public Session {
 public:
  explicit Noting(std::shared_ptr<Notes> notes) : notes_(std::move(notes)) {}
  ~Noting() override {
    if (notes_->retired) notes_->heard.push_back("destroyed");
  }
  Noting(const Noting&) = delete;
  Noting& operator=(const Noting&) = delete;
  std::size_t input(std::string_view bytes) override {
    if (bytes.starts_with("hold")) line().hold();
    if (bytes.starts_with("release")) line().release();
    write(bytes);
    return bytes.size();
  }
  void closed() override { notes_->heard.push_back("closed"); }
  void moved() override {
    notes_->heard.push_back("moved");
    if (!notes_->retired) return;
    // All of these do nothing.
    line().each([](Line& other) {
      other.write("x");
      other.changed();
      other.pause();
      other.resume();
      other.hold();
      other.close();
    });
  }

 private:
  std::shared_ptr<Notes> notes_;
};

// Exits with 0 if it has heard that.
std::function<int()> noting(Layer layer, const std::vector<std::string>& expected = {}) {
  return [layer, expected] {
    const auto notes = std::make_shared<Notes>();
    const auto make = [notes](auto...) { return std::make_unique<Noting>(notes); };
    Program program{.listeners = {{"public", make, make}}};
    program.late = [notes](std::uint64_t waiting) {
      notes->heard.push_back("late " + std::to_string(waiting));
    };
    program.retired = [notes](std::size_t sessions) {
      notes->retired = true;
      notes->heard.push_back("retired, of " + std::to_string(sessions));
    };
    program.stopping = [notes] { notes->heard.push_back("stopping"); };
    program.tick_ms = 1;
    program.tick = [notes] {
      if (notes->retired) notes->heard.push_back("tick");
    };
    const int result = layer(program);
    if (result != 0) return result;
    if (notes->heard == expected) return 0;
    for (const auto& what : notes->heard) std::fprintf(stderr, "heard: %s\n", what.c_str());
    return 1;
  };
}

TEST_P(KitSwitchTest, TheServiceHearsOfItBeforeAnyConnectionIsGoneAndNoTimerTicksBetween) {
  ServiceProcess first(
      1, noting(GetParam().donor, {"retired, of 2", "moved", "moved", "destroyed", "destroyed"}));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), two(owner.named(0).address());
  for (LineClient* client : {&one, &two}) EXPECT_EQ("a", client->ask("a"));
  const auto second = start_heir(first, 2, noting(GetParam().heir));
  second->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0, first.wait());
  for (LineClient* client : {&one, &two}) EXPECT_EQ("b", client->ask("b"));
}

TEST_P(KitSwitchTest, ALateServiceHearsItFirstAndThenOfEachConnection) {
  ServiceProcess first(1, noting(GetParam().donor, {"late 1", "moved", "moved", "retired, of 0"}));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient busy(owner.named(0).address()), idle(owner.named(0).address());
  EXPECT_EQ("hold", busy.ask("hold"));
  EXPECT_EQ("a", idle.ask("a"));
  const auto second = start_heir(first, 2, noting(GetParam().heir));
  second->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("b", idle.ask("b"));
  EXPECT_EQ("release", busy.ask("release"));
  EXPECT_EQ(0, first.wait());
  EXPECT_EQ("c", busy.ask("c"));
}

TEST_P(KitSwitchAloneTest, AServiceThatStopsHearsItBeforeItsConnectionsEnd) {
  ServiceProcess service(1, noting(GetParam().donor, {"closed", "stopping", "closed"}));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  {
    LineClient first(owner.named(0).address());
    EXPECT_EQ("a", first.ask("a"));
  }
  LineClient second(owner.named(0).address());
  EXPECT_EQ("a", second.ask("a"));
  v1::Stop stop;
  stop.set_deadline_us(UINT64_MAX);
  send(service.control(), Type::kStop, stop);
  EXPECT_EQ("EOF", second.line());
  EXPECT_EQ(0, service.wait());
}

// ---- what one side can't move, or clears

// Notes how it ends. The heir refuses those that have said "bad".
class Ending final : public Session {
 public:
  explicit Ending(std::shared_ptr<Notes> notes) : notes_(std::move(notes)) {}
  std::size_t input(std::string_view bytes) override {
    if (bytes.starts_with("hold")) line().hold();
    if (bytes.starts_with("release")) line().release();
    state_ = bytes.starts_with("bad") ? "bad" : "good";
    write(bytes);
    return bytes.size();
  }
  std::string save() const override { return state_; }
  void closed() override { notes_->heard.push_back("closed " + state_); }
  void moved() override { notes_->heard.push_back("moved " + state_); }

 private:
  std::shared_ptr<Notes> notes_;
  std::string state_ = "good";
};
// Exits with 0 if it has heard that, in whatever order behind the first.
std::function<int()> ending(Layer layer, std::vector<std::string> expected = {}) {
  return [layer, expected = std::move(expected)]() mutable {
    const auto notes = std::make_shared<Notes>();
    const auto make = [notes](auto...) { return std::make_unique<Ending>(notes); };
    Program program{.listeners = {{"public", make, make}}};
    program.listeners[0].remake = [notes](std::string_view state) -> std::unique_ptr<Session> {
      if (state == "bad") return nullptr;
      return std::make_unique<Ending>(notes);
    };
    program.late = [notes](std::uint64_t) { notes->heard.push_back("late"); };
    program.retired = [notes](std::size_t) { notes->heard.push_back("retired"); };
    const int result = layer(program);
    if (result != 0) return result;
    auto& heard = notes->heard;
    if (!heard.empty()) std::sort(heard.begin() + 1, heard.end());
    if (heard == expected) return 0;
    for (const auto& what : heard) std::fprintf(stderr, "heard: %s\n", what.c_str());
    return 1;
  };
}

TEST_P(KitSwitchTest, AConnectionThatIsResetAtTheSwitchHasEndedAndHasNotMoved) {
  for (const bool holds : {false, true}) {
    ServiceProcess first(
        1, ending(GetParam().donor,
                  holds ? std::vector<std::string>{"late", "closed bad", "moved good", "moved good",
                                                   "retired"}
                        : std::vector<std::string>{"retired", "closed bad", "moved good",
                                                   "moved good"}));
    const auto owner = first.await_message<v1::Owner>(Type::kOwner);
    LineClient one(owner.named(0).address()), two(owner.named(0).address()),
        bad(owner.named(0).address());
    EXPECT_EQ("a", one.ask("a"));
    EXPECT_EQ(holds ? "hold" : "a", two.ask(holds ? "hold" : "a"));
    EXPECT_EQ("bad", bad.ask("bad"));
    const auto second =
        start_heir(first, 2, ending(GetParam().heir), {.unmovable = v1::UNMOVABLE_CLOSE});
    second->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ("RESET", bad.line());
    EXPECT_EQ("b", one.ask("b"));
    EXPECT_EQ(holds ? "release" : "b", two.ask(holds ? "release" : "b"));
    EXPECT_EQ(0, first.wait());
    EXPECT_EQ("c", two.ask("c"));
  }
}

// Clears O_NONBLOCK of a connection that has moved, as some runtimes do with what they close.
class Clearing final : public Session {
 public:
  explicit Clearing(bool stops) : stops_(stops) {}
  std::size_t input(std::string_view bytes) override {
    write(bytes);
    if (bytes == "bye\n") line().close();
    return bytes.size();
  }
  void moved() override {
    static int moved = 0;
    if (::fcntl(line().fd(), F_SETFL, 0) < 0) ::_exit(9);
    // Before the heir could hear of it.
    if (++moved == 2 && stops_) ::raise(SIGSTOP);
  }

 private:
  bool stops_;
};
Program clearing(bool stops) {
  const auto make = [stops](auto...) { return std::make_unique<Clearing>(stops); };
  return {.listeners = {{"public", make, make}}};
}

TEST_P(KitSwitchTest, AnHeirNeedsNoFlagThatItsDonorMayClear) {
  ServiceProcess first(1, donor(clearing(true)));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), two(owner.named(0).address());
  for (LineClient* client : {&one, &two}) EXPECT_EQ("a", client->ask("a"));
  const auto second = start_heir(first, 2, heir(clearing(false)));
  second->await_message<v1::Owner>(Type::kOwner);
  ASSERT_TRUE(first.wait_stopped());
  for (int i = 0; i < 3; ++i) {
    for (LineClient* client : {&one, &two}) EXPECT_EQ("b", client->ask("b"));
  }
  EXPECT_EQ("bye", one.ask("bye"));
  EXPECT_EQ("EOF", one.line());
  EXPECT_EQ("c", two.ask("c"));
  first.signal(SIGCONT);
  EXPECT_EQ(0, first.wait());
}

// ---- one side fails

// Sessions of which an heir refuses the second, or is killed as it restores that.
Program failing(const std::function<void()>& failure) {
  Program program = holding("heir");
  program.listeners[0].remake =
      [failure, restored = std::make_shared<int>(0)](std::string_view) -> std::unique_ptr<Session> {
    if (++*restored < 2) return std::make_unique<Holding>("heir", 0);
    failure();
    return nullptr;
  };
  return program;
}

TEST_P(KitSwitchTest, AnHeirThatFailsChangesNothing) {
  ServiceProcess first(1, donor(holding("one")));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), two(owner.named(0).address());
  EXPECT_EQ("one 0", one.ask("a"));
  EXPECT_EQ("one 0", two.ask("a"));
  one.send("hal");
  std::uint64_t lines = 1;
  for (const auto& failure : {std::function<void()>([] {}), {[] { ::raise(SIGKILL); }}}) {
    const auto second = start_heir(first, lines + 1, heir(failing(failure)));
    first.await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(lines == 1 ? ExitStatus{3} : ExitStatus{128 + SIGKILL}, second->wait());
    const std::string answer = "one " + std::to_string(lines);
    EXPECT_EQ(answer, one.ask("f"));
    EXPECT_EQ(answer, two.ask("b"));
    LineClient fresh(owner.named(0).address());
    EXPECT_EQ("one 0", fresh.ask("a"));
    ++lines;
  }
}

TEST_P(KitSwitchTest, ADonorThatDiesOnceItHasRetiredLeavesAllToTheHeir) {
  Program dying = holding("one");
  dying.retired = [](std::size_t) { ::raise(SIGKILL); };
  ServiceProcess first(1, donor(dying));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  EXPECT_EQ("one 0", client.ask("a"));
  client.send("hal");
  const auto second = start_heir(first, 2, heir(holding("two")));
  EXPECT_EQ(1U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  first.wait();
  EXPECT_EQ("two 1", client.ask("f"));
}

}  // namespace
}  // namespace handoff::test
