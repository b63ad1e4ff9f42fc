// What a service on uv.hpp hears of a switch, and when: its own tables and timers know Streams, and
// must not outlive them.
#include <gmock/gmock.h>

#include <handoff/uv.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// A chat: all members hear every tick of a timer. From the first guide: a member joins in
// on_open(), leaves in on_closed(), and the timer ends in on_finished().
struct Chat {
  uv_loop_t loop{};
  uv_timer_t timer{};
  std::set<uv::Stream*> members;
};

class Member : public uv::Stream {
 public:
  explicit Member(Chat& chat) : chat_(chat) {}
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return "s"; }
  void on_open(bool /*adopted*/) override { chat_.members.insert(this); }
  void on_closed() override { chat_.members.erase(this); }

 private:
  Chat& chat_;
};

int run_chat() {
  Chat chat;
  uv_loop_init(&chat.loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&chat.loop, *service);
  const auto make = [&](auto...) { return std::make_unique<Member>(chat); };
  host.listen("public", "tcp:127.0.0.1:0", make, make);
  host.start();
  uv_timer_init(&chat.loop, &chat.timer);
  chat.timer.data = &chat;
  uv_timer_start(
      &chat.timer,
      [](uv_timer_t* t) {
        for (uv::Stream* member : static_cast<Chat*>(t->data)->members) member->write("tick\n");
      },
      1, 1);
  host.on_finished([&] {
    uv_close(reinterpret_cast<uv_handle_t*>(&chat.timer), nullptr);
    uv_stop(&chat.loop);
  });
  uv_run(&chat.loop, UV_RUN_DEFAULT);
  return 0;
}

// 600 members, so that ending them takes the donor longer than a tick.
TEST(UvSwitchTest, ATimerThatBroadcastsFindsNoStreamThatHasGone) {
  auto donor = std::make_unique<ServiceProcess>(1, run_chat);
  const auto owner = donor->await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 600; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
    ASSERT_EQ("tick\n", clients.back()->line());
  }
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    auto heir = start_heir(*donor, generation, run_chat);
    EXPECT_EQ(600U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    EXPECT_EQ(0, donor->wait());
    donor = std::move(heir);
  }
  for (auto& client : clients) ASSERT_EQ("tick\n", client->line());
}

// Notes what it hears, and in which state of things.
struct Notes {
  uv_loop_t loop{};
  uv_timer_t timer{};
  uv_check_t after_events{};
  std::vector<std::string> heard;
  bool retired = false;
};

class Noting : public uv::Stream {
 public:
  explicit Noting(Notes& notes) : notes_(notes) {}
  ~Noting() override {
    if (notes_.retired) notes_.heard.push_back("destroyed");
  }
  Noting(const Noting&) = delete;
  Noting& operator=(const Noting&) = delete;
  std::size_t on_input(std::string_view input) override {
    if (input.starts_with("hold")) hold();
    if (input.starts_with("release")) release();
    write(input);
    return input.size();
  }
  std::string save() const override { return "s"; }
  void on_closed() override { notes_.heard.push_back("closed"); }
  void on_moved() override {
    notes_.heard.push_back("moved");
    if (!notes_.retired) return;
    // All of these do nothing.
    host().for_each([](uv::Stream& s) {
      s.write("x");
      s.changed();
      s.pause();
      s.resume();
      s.hold();
      s.close();
    });
  }

 private:
  Notes& notes_;
};

// Exits with 0 if its Host has told it that.
int run_noting(const std::vector<std::string>& expected) {
  Notes notes;
  uv_loop_init(&notes.loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&notes.loop, *service);
  const auto make = [&](auto...) { return std::make_unique<Noting>(notes); };
  host.listen("public", "tcp:127.0.0.1:0", make, make);
  host.on_late([&](std::uint64_t waiting) {
    notes.heard.push_back("late " + std::to_string(waiting));
    throw std::runtime_error("of a test");  // stops nothing
  });
  host.on_retired([&] {
    notes.retired = true;
    notes.heard.push_back("retired, of " + std::to_string(host.size()));
    throw std::runtime_error("of a test");
  });
  host.on_finished([&] {
    notes.heard.push_back("finished, of " + std::to_string(host.size()));
    uv_stop(&notes.loop);
  });
  host.start();
  notes.timer.data = notes.after_events.data = &notes;
  uv_timer_init(&notes.loop, &notes.timer);
  uv_timer_start(
      &notes.timer,
      [](uv_timer_t* t) {
        auto& n = *static_cast<Notes*>(t->data);
        if (n.retired) n.heard.push_back("tick");
      },
      1, 1);
  uv_run(&notes.loop, UV_RUN_DEFAULT);
  if (notes.heard == expected) return 0;
  for (const auto& what : notes.heard) detail::complain("heard: " + what);
  return 1;
}

TEST(UvSwitchTest, TheServiceHearsOfItBeforeAnyStreamIsGoneAndNoTimerTicksBetween) {
  ServiceProcess donor(1, [] {
    return run_noting(
        {"retired, of 2", "moved", "moved", "destroyed", "destroyed", "finished, of 0"});
  });
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), two(owner.named(0).address());
  for (LineClient* client : {&one, &two}) {
    client->send("a\n");
    EXPECT_EQ("a\n", client->line());
  }
  const auto heir = start_heir(donor, 2, [] { return run_noting({}); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0, donor.wait());
  for (LineClient* client : {&one, &two}) {
    client->send("b\n");
    EXPECT_EQ("b\n", client->line());
  }
}

TEST(UvSwitchTest, ALateServiceHearsItFirstAndThenOfEachStream) {
  ServiceProcess donor(1, [] {
    return run_noting({"late 1", "moved", "moved", "retired, of 0", "finished, of 0"});
  });
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  LineClient busy(owner.named(0).address()), idle(owner.named(0).address());
  busy.send("hold\n");
  EXPECT_EQ("hold\n", busy.line());
  idle.send("a\n");
  EXPECT_EQ("a\n", idle.line());
  const auto heir = start_heir(donor, 2, [] { return run_noting({}); });
  heir->await_message<v1::Owner>(Type::kOwner);
  idle.send("b\n");
  EXPECT_EQ("b\n", idle.line());
  busy.send("release\n");
  EXPECT_EQ("release\n", busy.line());
  EXPECT_EQ(0, donor.wait());
  busy.send("c\n");
  EXPECT_EQ("c\n", busy.line());
}

}  // namespace
}  // namespace handoff::test
