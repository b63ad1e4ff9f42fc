// uv.hpp in cases that the examples don't reach: the loop of a donor that leaves, and of an heir
// that begins.
#include <gtest/gtest.h>

#include <csignal>
#include <handoff/uv.hpp>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// A service whose connections are all S; each_turn is called in each turn of its loop, set_up with
// its Host.
template <class S>
int serve(
    uv_prepare_cb each_turn = nullptr,
    const std::function<void(uv::Host&)>& set_up = [](uv::Host&) {}) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<S>(); },
      [](std::string_view) { return std::make_unique<S>(); });
  set_up(host);
  host.start();
  uv_prepare_t prepare;
  uv_prepare_init(&loop, &prepare);
  prepare.data = &host;
  if (each_turn != nullptr) uv_prepare_start(&prepare, each_turn);
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

class Ticking : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    write(input);
    return input.size();
  }
  std::string save() const override { return "s"; }
};

// A donor that, once retired, writes to every connection in each turn of its loop, as a timer
// might.
int run_ticking() {
  return serve<Ticking>([](uv_prepare_t* p) {
    auto& all = *static_cast<uv::Host*>(p->data);
    if (all.service().state() != State::kRetired) return;
    all.for_each([](uv::Stream& s) { s.write("from a retired donor\n"); });
  });
}

TEST(UvTest, ARetiredDonorsOwnHandlesMayGoOnWithoutHarm) {
  ServiceProcess donor(1, run_ticking);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 600; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
  }
  for (auto& client : clients) {
    client->send("to the donor\n");
    EXPECT_EQ("to the donor\n", client->line());
  }
  const auto heir = start_heir(donor, 2, run_ticking);
  EXPECT_EQ(600U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(0, donor.wait());
  for (auto& client : clients) {
    client->send("to the heir\n");
    ASSERT_EQ("to the heir\n", client->line());
  }
}

// Ends at a line "bye".
class Polite : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    write(input);
    if (input.ends_with("bye\n")) close();
    return input.size();
  }
  std::string save() const override { return "s"; }
};

// A donor that, once retired, stops with its sockets open.
int run_polite() {
  return serve<Polite>(nullptr, [](uv::Host& host) { host.on_retired([] { ::raise(SIGSTOP); }); });
}

// A donor may have a session's socket open for a while after the switch, so the heir must end the
// connection by more than close(2).
TEST(UvTest, AnHeirsSessionEndsForItsClientAlsoWhileTheDonorStillHasItsSocket) {
  ServiceProcess donor(1, run_polite);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  client.send("hello\n");
  EXPECT_EQ("hello\n", client.line());
  const auto heir = start_heir(donor, 2, run_polite);
  heir->await_message<v1::Owner>(Type::kOwner);
  ASSERT_TRUE(donor.wait_stopped());
  client.send("bye\n");
  EXPECT_EQ("bye\n", client.line());
  EXPECT_EQ("EOF", client.line());
  donor.signal(SIGCONT);
  EXPECT_EQ(0, donor.wait());
}

// Reads nothing before it is restored, and stops its process at the first request.
class Stopping final : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    ::raise(SIGSTOP);
    write(input);
    return input.size();
  }
  std::string save() const override { return "s"; }
  void on_open(bool adopted) override {
    if (adopted) return;
    write("new\n");
    pause();
  }
};

int run_stopping() { return serve<Stopping>(); }

// The upgrade and the reported blackout end only when the heir has said that it runs.
TEST(UvTest, AnHeirSaysThatItRunsBeforeItServesItsFirstRequest) {
  ServiceProcess donor(1, run_stopping);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  EXPECT_EQ("new\n", client.line());
  client.send("hello\n");
  const auto heir = start_heir(donor, 2, run_stopping);
  ASSERT_TRUE(heir->wait_stopped());
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  heir->signal(SIGCONT);
  EXPECT_EQ("hello\n", client.line());
}

// Echoes, and must never be called once its sockets are the heir's.
class Wary : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    if (host().service().state() == State::kRetired) ::_exit(9);
    write(input);
    return input.size();
  }
  std::string save() const override { return "s"; }
};

// The process has a client of its own, which writes just after each step of the handoff is due. So
// whenever the loop wakes up for a step, input is ready behind it.
int run_wary() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Wary>(); },
      [](std::string_view) { return std::make_unique<Wary>(); });
  host.start();
  struct Own {
    Service& service;
    LineClient client;
  } own{*service, LineClient(service->named_address("public"))};
  uv_prepare_t every_turn;
  uv_prepare_init(&loop, &every_turn);
  every_turn.data = &own;
  uv_prepare_start(&every_turn, [](uv_prepare_t* p) {
    auto& o = *static_cast<Own*>(p->data);
    if (o.service.state() == State::kDonor && readable(o.service.fd())) o.client.send("x\n");
  });
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvTest, ADonorThatRetiresReadsNoMoreInThatTurnOfItsLoop) {
  auto donor = std::make_unique<ServiceProcess>(1, run_wary);
  const auto owner = donor->await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  client.send("to the donor\n");
  EXPECT_EQ("to the donor\n", client.line());
  for (std::uint64_t generation = 2; generation < 12; ++generation) {
    auto heir = start_heir(*donor, generation, run_wary);
    heir->await_message<v1::Owner>(Type::kOwner);
    ASSERT_EQ(0, donor->wait());
    client.send("to the heir\n");
    ASSERT_EQ("to the heir\n", client.line());
    donor = std::move(heir);
  }
}

// "hold" holds, "release" releases. A line is answered with the release and the number of lines
// before.
class Holding : public uv::Stream {
 public:
  Holding(std::string version, std::uint64_t lines) : version_(std::move(version)), lines_(lines) {}
  std::size_t on_input(std::string_view input) override {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    const std::string_view line = input.substr(0, end);
    if (line == "hold") hold();
    if (line == "release") release();
    write(version_ + " " + std::to_string(lines_++) + "\n");
    return end + 1;
  }
  std::string save() const override { return std::to_string(lines_); }

 private:
  std::string version_;
  std::uint64_t lines_;
};

int run_holding(const std::string& version) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = version});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<Holding>(version, 0); },
      [&](std::string_view state) {
        return std::make_unique<Holding>(version, std::stoull(std::string(state)));
      });
  host.start();
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvTest, AStreamThatHoldsStaysWithItsLoopAndComesWhenItIsReleased) {
  ServiceProcess donor(1, [] { return run_holding("one"); });
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  LineClient busy(owner.named(0).address()), idle(owner.named(0).address());
  busy.send("hold\n");
  EXPECT_EQ("one 0\n", busy.line());
  idle.send("a\n");
  EXPECT_EQ("one 0\n", idle.line());
  const auto heir = start_heir(donor, 2, [] { return run_holding("two"); });
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(1U, donor.await_message<v1::Late>(Type::kLate).waiting());
  busy.send("b\n");
  EXPECT_EQ("one 1\n", busy.line());
  idle.send("b\n");
  EXPECT_EQ("two 1\n", idle.line());
  LineClient fresh(owner.named(0).address());
  fresh.send("a\n");
  EXPECT_EQ("two 0\n", fresh.line());
  // The lines behind "release" move as input, and the heir serves them.
  busy.send("release\nc\nd\n");
  EXPECT_EQ("one 2\n", busy.line());
  EXPECT_EQ(0, donor.wait());
  busy.send("e\n");
  EXPECT_EQ("two 3\n", busy.line());
}

}  // namespace
}  // namespace handoff::test
