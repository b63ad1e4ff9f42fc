// uv.hpp's listeners and the kinds of their sessions: each listener restores its own, whatever the
// order in which a release declares them, and releases from before listeners had kinds take part.
#include <gmock/gmock.h>

#include <functional>
#include <handoff/uv.hpp>

#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;
using Options = uv::Host::ListenOptions;

// Answers each line with its class and its state.
class Known final : public uv::Stream {
 public:
  Known(char name, std::string state) : name_(name), state_(std::move(state)) {}
  std::size_t on_input(std::string_view input) override {
    write(name_ + (" " + state_) + "\n");
    return input.size();
  }
  std::string save() const override { return state_; }

 private:
  char name_;
  std::string state_;
};

void listen(uv::Host& host, const std::string& name, Options options = {}) {
  const char first = name.front();
  host.listen(
      name, "tcp:127.0.0.1:0", [first] { return std::make_unique<Known>(first, "0"); },
      [first](std::string_view state) {
        return std::make_unique<Known>(first, std::string(state));
      },
      std::move(options));
}

// A release; declare listens.
std::function<int()> release(std::function<void(Service&, uv::Host&)> declare,
                             std::uint32_t state_version = 1) {
  return [declare = std::move(declare), state_version] {
    uv_loop_t loop;
    uv_loop_init(&loop);
    auto service = Service::open({.name = "test", .version = "1", .state_version = state_version});
    uv::Host host(&loop, *service);
    declare(*service, host);
    try {
      host.start();
    } catch (const Exception& e) {
      if (e.code() == HANDOFF_ERR_ABORTED) return 3;
      throw;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
  };
}

void only_public(Service&, uv::Host& host) { listen(host, "public"); }
void public_and_admin(Service&, uv::Host& host) {
  listen(host, "public");
  listen(host, "admin");
}
void admin_and_public(Service&, uv::Host& host) {
  listen(host, "admin");
  listen(host, "public");
}

class Clients {
 public:
  explicit Clients(const v1::Owner& owner) {
    for (const auto& named : owner.named()) {
      clients_[named.name()] = std::make_unique<LineClient>(named.address());
    }
  }
  std::string ask(const std::string& listener) { return clients_.at(listener)->ask("?"); }

 private:
  std::map<std::string, std::unique_ptr<LineClient>> clients_;
};

TEST(UvKindsTest, EachListenerRestoresItsOwnWhateverTheirOrder) {
  auto owner = std::make_unique<ServiceProcess>(1, release(public_and_admin));
  Clients clients(owner->await_message<v1::Owner>(Type::kOwner));
  std::uint64_t generation = 1;
  for (const auto& next : {admin_and_public, public_and_admin}) {
    EXPECT_EQ("p 0", clients.ask("public"));
    EXPECT_EQ("a 0", clients.ask("admin"));
    auto heir = start_heir(*owner, ++generation, release(next));
    EXPECT_EQ(2U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    owner = std::move(heir);
  }
  EXPECT_EQ("p 0", clients.ask("public"));
  EXPECT_EQ("a 0", clients.ask("admin"));
}

TEST(UvKindsTest, AReleaseThatAddsAListenerLeavesTheOthersTheirSessions) {
  ServiceProcess donor(1, release(only_public));
  Clients clients(donor.await_message<v1::Owner>(Type::kOwner));
  EXPECT_EQ("p 0", clients.ask("public"));
  const auto heir = start_heir(donor, 2, release(admin_and_public));
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("p 0", clients.ask("public"));
}

// Release 2 gives the sessions of one listener a state version of their own.
void admin_of_version_2(Service& service, uv::Host& host) {
  service.kind("admin", 2);
  service.on_upgrade_state(
      1, 2, [](std::string_view s) { return std::string(s) + "+"; }, "admin");
  service.on_downgrade_state(
      2, 1, [](std::string_view s) { return std::string(s.substr(0, s.size() - 1)); }, "admin");
  public_and_admin(service, host);
}

TEST(UvKindsTest, AListenersKindGetsStepsOfItsOwnOnceItIsDeclared) {
  ServiceProcess first(1, release(public_and_admin));
  Clients clients(first.await_message<v1::Owner>(Type::kOwner));
  EXPECT_EQ("p 0", clients.ask("public"));
  EXPECT_EQ("a 0", clients.ask("admin"));
  const auto second = start_heir(first, 2, release(admin_of_version_2));
  second->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("p 0", clients.ask("public"));
  EXPECT_EQ("a 0+", clients.ask("admin"));
  const auto third = start_heir(*second, 3, release(public_and_admin));
  third->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("p 0", clients.ask("public"));
  EXPECT_EQ("a 0", clients.ask("admin"));
}

TEST(UvKindsTest, TheStepsOfTheKindSessionAreThoseOfEachListenerWithoutAKindOfItsOwn) {
  ServiceProcess first(1, release(public_and_admin));
  Clients clients(first.await_message<v1::Owner>(Type::kOwner));
  EXPECT_EQ("p 0", clients.ask("public"));
  EXPECT_EQ("a 0", clients.ask("admin"));
  const auto second = start_heir(
      first, 2,
      release(
          [](Service& service, uv::Host& host) {
            public_and_admin(service, host);
            service.on_upgrade_state(1, 2, [](std::string_view s) { return std::string(s) + "!"; });
          },
          2));
  second->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("p 0!", clients.ask("public"));
  EXPECT_EQ("a 0!", clients.ask("admin"));
}

// ---- releases from before

TEST(UvKindsTest, SessionsOfABuildFromBeforeGoToTheOnlyListenerAndOnToTwo) {
  RawDonor donor(release(only_public));
  donor.copy_and_prepare(2);
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(2U, donor.heir().await_message<v1::Owner>(Type::kOwner).sessions());
  donor.close_sockets();
  ServiceProcess& first = donor.heir();
  const auto second = start_heir(first, 3, release(admin_and_public));
  EXPECT_EQ(2U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  for (std::size_t i = 0; i < donor.connections(); ++i) {
    ASSERT_EQ(2, ::send(donor.connection(i).client.get(), "?\n", 2, MSG_NOSIGNAL));
    EXPECT_EQ("p 5\n", next_line(donor.connection(i).client.get()));
  }
}

TEST(UvKindsTest, SessionsOfABuildFromBeforeAreRefusedWhereTheirListenerIsNotKnown) {
  RawDonor donor(release(public_and_admin));
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  const Frame frame = donor.next();
  ASSERT_EQ(Type::kAbort, frame.type);
  v1::Abort abort;
  ASSERT_TRUE(abort.ParseFromString(frame.body));
  EXPECT_EQ(v1::REJECTED, abort.code());
  EXPECT_THAT(abort.reason(), HasSubstr("did not say of which listener"));
  EXPECT_THAT(abort.reason(), HasSubstr(".kind = \"session\""));
}

TEST(UvKindsTest, SessionsOfABuildFromBeforeGoToTheListenerThatAsksForThem) {
  RawDonor donor(release([](Service& service, uv::Host& host) {
    service.kind("admin", 1);
    listen(host, "admin", {.kind = "admin"});
    listen(host, "public", {.kind = "session"});
  }));
  donor.copy_and_prepare(1);
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(1U, donor.heir().await_message<v1::Owner>(Type::kOwner).sessions());
  ASSERT_EQ(2, ::send(donor.connection(0).client.get(), "?\n", 2, MSG_NOSIGNAL));
  EXPECT_EQ("p 5\n", next_line(donor.connection(0).client.get()));
}

// What such a build sees of each session: its kind is called "session".
TEST(UvKindsTest, ABuildFromBeforeReadsTheSessionsOfTheOnlyListener) {
  ServiceProcess donor(1, release(only_public));
  Clients clients(donor.await_message<v1::Owner>(Type::kOwner));
  EXPECT_EQ("p 0", clients.ask("public"));
  RawHeir heir(donor);
  const Frame first = heir.await(Type::kHello);
  v1::Hello hello;
  ASSERT_TRUE(hello.ParseFromString(first.body));
  for (const auto& kind : hello.manifest().kinds()) EXPECT_EQ("session", kind.name());
  heir.send_hello();
  v1::Sessions sessions;
  ASSERT_TRUE(sessions.ParseFromString(heir.await(Type::kSessions).body));
  ASSERT_EQ(1, sessions.sessions_size());
  EXPECT_EQ("0", sessions.sessions(0).state());
  EXPECT_EQ("public",
            hello.manifest().kinds(static_cast<int>(sessions.sessions(0).kind())).listener());
  EXPECT_EQ(Type::kCopyEnd, heir.await(Type::kCopyEnd).type);
}

// To it the sessions of both would be of one kind, and one of its functions would restore them all.
TEST(UvKindsTest, ABuildFromBeforeGetsNoSessionsOfTwoListeners) {
  ServiceProcess donor(1, release(public_and_admin));
  Clients clients(donor.await_message<v1::Owner>(Type::kOwner));
  EXPECT_EQ("p 0", clients.ask("public"));
  RawHeir heir(donor);
  v1::Hello hello = heir.hello();
  hello.mutable_manifest()->add_named()->set_name("admin");
  heir.send_hello(hello);
  v1::Abort abort;
  ASSERT_TRUE(abort.ParseFromString(heir.await(Type::kAbort).body));
  EXPECT_EQ(v1::UNCLAIMED, abort.code());
  EXPECT_THAT(abort.reason(),
              HasSubstr("can't tell session kind 'admin' from session kind 'public': to it both "
                        "are session kind 'session'"));
  EXPECT_EQ("p 0", clients.ask("public")) << "nothing was changed";
}

// ---- what is refused at once

std::string refusal(const std::function<void(Service&, uv::Host&)>& declare, int code) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  std::string words;
  {
    auto service = Service::open({.name = "test", .version = "1"});
    uv::Host host(&loop, *service);
    try {
      declare(*service, host);
      host.start();
    } catch (const Exception& e) {
      EXPECT_EQ(code, e.code());
      words = e.what();
    }
  }
  EXPECT_EQ(0, uv_loop_close(&loop));
  return words;
}

TEST(UvKindsTest, AKindThatWasNeverDeclaredIsFoundAtStart) {
  EXPECT_EQ("listener public: kind \"guests\" was not declared; service.kind() does it",
            refusal([](Service&, uv::Host& host) { listen(host, "public", {.kind = "guests"}); },
                    HANDOFF_ERR_UNKNOWN));
}

TEST(UvKindsTest, WhereOneListenerHasTheKindSessionTheOthersNeedDeclaredKinds) {
  const std::string words =
      "listeners public and admin: where one says .kind = \"session\", each of the others needs a "
      "kind that is declared: service.kind(NAME, VERSION), and .kind = NAME in its ListenOptions";
  EXPECT_EQ(words, refusal(
                       [](Service&, uv::Host& host) {
                         listen(host, "public", {.kind = "session"});
                         listen(host, "admin");
                       },
                       -EEXIST));
  EXPECT_EQ(words, refusal(
                       [](Service&, uv::Host& host) {
                         listen(host, "public");
                         listen(host, "admin", {.kind = "session"});
                       },
                       -EEXIST));
}

TEST(UvKindsTest, StepsForAListenersKindNeedAKindThatIsDeclared) {
  EXPECT_THAT(refusal(
                  [](Service& service, uv::Host& host) {
                    public_and_admin(service, host);
                    service.on_upgrade_state(
                        1, 2, [](std::string_view s) { return std::string(s); }, "admin");
                  },
                  HANDOFF_ERR_UNKNOWN),
              HasSubstr("has the steps of the kind 'session'"));
}

}  // namespace
}  // namespace handoff::test
