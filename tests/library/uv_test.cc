// uv.hpp where its examples don't reach: what a loop does while a donor leaves and an heir begins.
#include <gmock/gmock.h>

#include <csignal>
#include <handoff/uv.hpp>
#include <set>
#include <thread>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// A service whose connections are all S; each_turn is called in each turn of its loop.
template <class S>
int serve(uv_prepare_cb each_turn = nullptr) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<S>(); },
      [](std::string_view) { return std::make_unique<S>(); });
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

// Once it has retired, it writes to every connection in each turn of its loop, as a timer might.
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
  for (int i = 0; i < 600; ++i) {  // closed in three slices, each a turn of the loop
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

// Once it has retired, it stops with its sockets open.
int run_polite() {
  return serve<Polite>([](uv_prepare_t* p) {
    const auto& all = *static_cast<uv::Host*>(p->data);
    if (all.service().state() == State::kRetired && all.size() > 0) ::raise(SIGSTOP);
  });
}

// A socket that is closed here ends for the client only when the donor has closed it, too; that may
// take it a while.
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

// Reads nothing before it is restored, and then stops at its first request.
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

// Until then the upgrade is not over, nor the blackout that is reported.
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

// What it is told of a restored session, it tells the client.
class Told : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return "s"; }
  void on_open(bool adopted) override { write(adopted ? "restored\n" : "new\n"); }
};
class ToldAndFinal final : public Told {};
class ToldInPrivate final : public uv::Stream {
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return "s"; }
  void on_open(bool adopted) override { write(adopted ? "restored\n" : "new\n"); }
};

int run_told() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  service->kind("final", 1);
  service->kind("base", 1);
  service->kind("private", 1);
  uv::Host host(&loop, *service);
  const auto listen = [&](const std::string& kind, auto create) {
    host.listen(kind, "tcp:127.0.0.1:0", create, [create](std::string_view) { return create(); },
                {.kind = kind});
  };
  listen("final", [] { return std::make_unique<ToldAndFinal>(); });
  // That there is something to tell can't be seen from the type that it gives.
  listen("base", [] { return std::unique_ptr<uv::Stream>(new Told); });
  listen("private", [] { return std::make_unique<ToldInPrivate>(); });
  host.start();
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvTest, EveryStreamThatWantsToHearOfItIsToldThatItWasRestored) {
  ServiceProcess donor(1, run_told);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  ASSERT_EQ(3, owner.named_size());
  std::vector<std::unique_ptr<LineClient>> clients;
  for (const auto& named : owner.named()) {
    clients.push_back(std::make_unique<LineClient>(named.address()));
    EXPECT_EQ("new\n", clients.back()->line());
  }
  const auto heir = start_heir(donor, 2, run_told);
  heir->await_message<v1::Owner>(Type::kOwner);
  for (auto& client : clients) EXPECT_EQ("restored\n", client->line());
}

// Two listeners of one kind: an heir could not tell whose sessions it restores.
TEST(UvTest, AKindBelongsToOneListener) {
  uv_loop_t loop;
  ASSERT_EQ(0, uv_loop_init(&loop));
  {
    auto service = Service::open({.name = "test", .version = "1"});
    service->kind("admin", 1);
    uv::Host host(&loop, *service);
    const auto create = [] { return std::make_unique<Ticking>(); };
    const auto restore = [](std::string_view) { return std::make_unique<Ticking>(); };
    const auto refusal = [&](const std::string& name, const uv::Host::ListenOptions& options) {
      try {
        host.listen(name, "tcp:127.0.0.1:0", create, restore, options);
        return std::string();
      } catch (const Exception& e) {
        EXPECT_EQ(-EEXIST, e.code());
        return std::string(e.what());
      }
    };
    EXPECT_EQ("", refusal("public", {}));
    EXPECT_EQ(
        "listener admin: sessions of kind \"session\" are those of listener public, whose function "
        "restores them; give this one a kind of its own: service.kind(\"admin\", VERSION), and "
        ".kind = \"admin\" in its ListenOptions",
        refusal("admin", {}));
    // What was refused has declared nothing, so it can be said in the way that the error tells.
    EXPECT_EQ("", refusal("admin", {.kind = "admin"}));
    EXPECT_NE("", refusal("more", {.kind = "admin"}));
    EXPECT_THROW(uv::Host(&loop, *service), Exception) << "it would take the sessions of the first";
  }
  EXPECT_EQ(0, uv_loop_close(&loop));
}

// Says of each line whose client it takes the sender for.
template <char kClass>
class Classed final : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    write(std::string(1, kClass) + "\n");
    return input.size();
  }
  std::string save() const override { return ""; }
};

int run_two_listeners() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  service->kind("admin", 1);
  uv::Host host(&loop, *service);
  const auto listen = [&]<class S>(const std::string& name, const std::string& kind, S*) {
    host.listen(
        name, "tcp:127.0.0.1:0", [] { return std::make_unique<S>(); },
        [](std::string_view) { return std::make_unique<S>(); }, {.kind = kind});
  };
  listen("public", "session", static_cast<Classed<'p'>*>(nullptr));
  listen("admin", "admin", static_cast<Classed<'a'>*>(nullptr));
  host.start();
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvTest, TheSessionsOfTwoListenersAreRestoredAsWhatTheyWere) {
  ServiceProcess donor(1, run_two_listeners);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  std::map<std::string, std::unique_ptr<LineClient>> clients;
  for (const auto& named : owner.named()) {
    clients[named.name()] = std::make_unique<LineClient>(named.address());
  }
  ASSERT_EQ(2U, clients.size());
  const auto classes = [&] {
    std::string out;
    for (const char* name : {"public", "admin"}) {
      clients[name]->send("?");
      out += clients[name]->line();
    }
    return out;
  };
  EXPECT_EQ("p\na\n", classes());
  const auto heir = start_heir(donor, 2, run_two_listeners);
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("p\na\n", classes());
}

// It echoes, and must never be asked to once its sockets are the heir's.
class Wary : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    if (host().service().state() == State::kRetired) ::_exit(9);
    write(input);
    return input.size();
  }
  std::string save() const override { return "s"; }
};

// A client of its own says something whenever the handoff has a step to do, just after it: so
// whenever the loop wakes up for the one, it finds the other behind it.
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

// A loop and a thread for each lane; to every line the answer is the number of the lane.
class Placed : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    write(std::to_string(host().service().index()) + "\n");
    return end + 1;
  }
  std::string save() const override { return "s"; }
};

int run_lanes(std::uint32_t lanes) {
  auto service = Service::open({.name = "test", .version = "1", .lanes = lanes});
  std::vector<uv_loop_t> loops(lanes);
  std::vector<std::unique_ptr<uv::Host>> hosts;
  for (std::uint32_t i = 0; i < lanes; ++i) {
    uv_loop_init(&loops[i]);
    hosts.push_back(std::make_unique<uv::Host>(&loops[i], service->lane(i)));
    hosts[i]->listen(
        "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Placed>(); },
        [](std::string_view) { return std::make_unique<Placed>(); });
  }
  service->start();
  const auto run = [&](std::uint32_t i) {
    hosts[i]->start();
    uv_run(&loops[i], UV_RUN_DEFAULT);
  };
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < lanes; ++i) threads.emplace_back(run, i);
  run(0);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

TEST(UvTest, TheHostsOfTwoLoopsHandOverToThreeAndTheseToOne) {
  auto donor = std::make_unique<ServiceProcess>(1, [] { return run_lanes(2); });
  const auto owner = donor->await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
  }
  std::uint64_t generation = 1;
  for (const std::uint32_t lanes : {3U, 1U, 2U}) {
    for (auto& client : clients) client->send("where?\n");
    for (auto& client : clients) ASSERT_THAT(client->line(), ::testing::MatchesRegex("[012]\n"));
    auto heir = start_heir(*donor, ++generation, [lanes] { return run_lanes(lanes); });
    EXPECT_EQ(60U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    ASSERT_EQ(0, donor->wait());
    donor = std::move(heir);
    std::set<std::string> places;
    for (auto& client : clients) {
      client->send("where?\n");
      places.insert(client->line());
    }
    EXPECT_EQ(lanes, places.size()) << "each loop has some of them";
  }
}

// "hold" holds, "release" releases; a line is answered with the release and how many were before.
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
  // More lines than are looked at in one go: the rest is input that moves, and is served there.
  busy.send("release\nc\nd\n");
  EXPECT_EQ("one 2\n", busy.line());
  EXPECT_EQ(0, donor.wait());
  busy.send("e\n");
  EXPECT_EQ("two 3\n", busy.line());
}

}  // namespace
}  // namespace handoff::test
