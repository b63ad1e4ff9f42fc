// uv.hpp with more than one listener, or more than one Host: each restores its own sessions.
#include <gmock/gmock.h>

#include <handoff/uv.hpp>
#include <map>
#include <set>
#include <thread>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// Tells its client in on_open() whether the session is new or restored.
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
  // The function's return type does not show that on_open() is overridden.
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

// Answers each line with its class.
template <char kClass>
class Classed final : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    write(std::string(1, kClass) + "\n");
    return input.size();
  }
  std::string save() const override { return ""; }
};

// With two listeners of one kind an heir could not tell which function restores a session. Left to
// themselves they have two.
TEST(UvTest, AKindBelongsToOneListener) {
  uv_loop_t loop;
  ASSERT_EQ(0, uv_loop_init(&loop));
  {
    auto service = Service::open({.name = "test", .version = "1"});
    service->kind("admin", 1);
    uv::Host host(&loop, *service);
    const auto create = [] { return std::make_unique<Classed<'p'>>(); };
    const auto restore = [](std::string_view) { return std::make_unique<Classed<'p'>>(); };
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
        "listener admin: sessions of kind \"public\" are those of listener public, whose function "
        "restores them; leave .kind out of its ListenOptions, or name another",
        refusal("admin", {.kind = "public"}));
    // The refused call has declared nothing, so the way that its error tells works.
    EXPECT_EQ("", refusal("admin", {}));
    EXPECT_NE("", refusal("more", {.kind = "admin"}));
    EXPECT_THROW(uv::Host(&loop, *service), Exception) << "it would take the sessions of the first";
  }
  EXPECT_EQ(0, uv_loop_close(&loop));
}

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

// Answers every line with the number of its lane. Each lane has a loop and a thread.
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

}  // namespace
}  // namespace handoff::test
