// Listeners in motion, under the real supervisor: new ones of the configuration reach the next
// release, one that has another address moves there, and nobody who waited is turned away.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "listeners_fixture.h"
#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;

// ---- new ones

// Seen: the release bound its own default, and the configuration's was bound at the next crash.
TEST_F(ListenersTest, AReleaseGetsTheNewOneOfTheConfigurationAndBindsNoneOfItsOwn) {
  const int port = free_port();
  start("public = \"tcp:127.0.0.1:0\"\n");
  const json answer = reload("public = \"tcp:127.0.0.1:0\"\nadmin = \"" + tcp(port) + "\"\n");
  ASSERT_EQ(answer.at("changed").size(), 1U) << answer;
  EXPECT_EQ(answer.at("changed")[0].at("when"), "next_upgrade");
  EXPECT_EQ(ask(port), "refused") << "nobody would accept";
  const auto plan = supervisor_.plan(program("steps-2"), {"--also", "admin=tcp:127.0.0.1:0"});
  EXPECT_EQ(plan.status, 0) << plan.describe();
  EXPECT_EQ(ask(port), "refused") << "a plan leaves no trace";
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--also", "admin=tcp:127.0.0.1:0"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(ask(port), "2 1 - -");
  EXPECT_EQ(listener(supervisor_.status(), "admin").at("address"), tcp(port));
}

TEST_F(ListenersTest, AnUpgradeIsRefusedWhereTheNewOneCantBeBoundAndTheOldReleaseServesOn) {
  const UniqueFd taken = listen_on_loopback();
  const int port = port_of(taken.get());
  start("public = \"tcp:127.0.0.1:0\"\n");
  LineClient client(supervisor_.port());
  EXPECT_EQ(client.ask("a"), "1 1 - -");
  reload("public = \"tcp:127.0.0.1:0\"\nadmin = \"" + tcp(port) + "\"\n");
  for (const bool plan : {true, false}) {
    const std::vector<std::string> arguments{"--also", "admin=tcp:127.0.0.1:0"};
    const auto refused = plan ? supervisor_.plan(program("steps-2"), arguments)
                              : supervisor_.upgrade(program("steps-2"), arguments);
    EXPECT_EQ(refused.status, 1) << refused.describe();
    EXPECT_NE(refused.describe().find("listener admin: binding " + tcp(port)), std::string::npos)
        << refused.describe();
  }
  EXPECT_EQ(client.ask("b"), "1 2 - -");
  EXPECT_EQ(supervisor_.status().at("listeners").size(), 1U);
}

TEST_F(ListenersTest, WhatWasBoundForAnHeirThatFailedIsClosedAgain) {
  const int port = free_port();
  start("public = \"tcp:127.0.0.1:0\"\n");
  reload("public = \"tcp:127.0.0.1:0\"\nadmin = \"" + tcp(port) + "\"\n");
  const auto failed = supervisor_.upgrade("/bin/false");
  EXPECT_EQ(failed.status, 1) << failed.describe();
  EXPECT_EQ(ask(port), "refused");
  EXPECT_EQ(supervisor_.status().at("listeners").size(), 1U);
}

// ---- another address

TEST_F(ListenersTest, OneWithAnotherAddressMovesAtAnUpgradeAndBothServeUntilThatIsPermanent) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  LineClient client(tcp(from));
  EXPECT_EQ(client.ask("a"), "1 1 - -");
  const json answer = reload(at(to));
  ASSERT_EQ(answer.at("changed").size(), 1U) << answer;
  EXPECT_EQ(answer.at("changed")[0].at("when"), "next_upgrade");
  EXPECT_EQ(ask(from), "1 1 - -");
  EXPECT_EQ(ask(to), "refused");
  const auto upgrade = supervisor_.upgrade(program("steps-2"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(client.ask("b"), "2 2 - -");
  EXPECT_EQ(ask(to), "2 1 - -");
  EXPECT_EQ(ask(from), "2 1 - -") << "as long as somebody can go back";
  const json moving = listener(supervisor_.status(), "public");
  EXPECT_EQ(moving.at("address"), tcp(to));
  EXPECT_EQ(moving.at("also"), tcp(from));
  must({"commit", "steps"});
  EXPECT_TRUE(refuses(from));
  // The next supervisor would not know of the end, and its filter would stay.
  const auto self = supervisor_.command({"upgrade", "--self", "--json"});
  EXPECT_EQ(self.status, 1) << self.describe();
  EXPECT_NE(self.describe().find("steps is ending its listener at " + tcp(from)), std::string::npos)
      << self.describe();
  EXPECT_EQ(ask(to), "2 1 - -");
  EXPECT_EQ(client.ask("c"), "2 3 b -");
  EXPECT_FALSE(listener(supervisor_.status(), "public").contains("also"));
  const pid_t before = supervisor_.service_pid();
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  supervisor_.wait_for_status([before](const json& status) {
    return status.at("state") == "running" && status.at("pid") != before;
  });
  EXPECT_EQ(ask(to), "2 1 - -");
}

TEST_F(ListenersTest, ARollbackBringsTheOldAddressBack) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  LineClient client(tcp(to));
  EXPECT_EQ(client.ask("a"), "2 1 - -");
  must({"rollback", "steps"});
  EXPECT_EQ(client.ask("b"), "1 2 - -");
  EXPECT_EQ(listener(supervisor_.status(), "public").at("address"), tcp(from));
  EXPECT_EQ(ask(from), "1 1 - -");
  EXPECT_TRUE(refuses(to));
  // At once again, before the new one has ended.
  supervisor_.settle();
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  EXPECT_EQ(ask(to), "2 1 - -");
  EXPECT_EQ(ask(from), "2 1 - -");
}

TEST_F(ListenersTest, ACrashOnProbationGoesBackToTheOldAddress) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  ASSERT_EQ(::kill(supervisor_.service_pid(), SIGKILL), 0);
  supervisor_.wait_for_status([](const json& status) {
    return status.at("state") == "running" && status.at("release") == "1.0";
  });
  EXPECT_EQ(ask(from), "1 1 - -");
  EXPECT_TRUE(refuses(to));
}

// Their connections are made: the kernel has said so.
TEST_F(ListenersTest, WhoWaitsAtTheOldAddressIsServedAlsoOnceThatIsGivenUp) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  supervisor_.settle();
  const pid_t pid = supervisor_.service_pid();
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  std::vector<std::unique_ptr<LineClient>> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<LineClient>(tcp(from)));
    waiting.back()->say("x");
  }
  must({"commit", "steps"});
  EXPECT_TRUE(refuses(from));
  ASSERT_EQ(::kill(pid, SIGCONT), 0);
  for (auto& client : waiting) EXPECT_EQ(client->next(), "2 1 - -");
  EXPECT_TRUE(refuses(from));
}

TEST_F(ListenersTest, AUnixSocketMovesToATcpAddressAndItsPathGoes) {
  const std::string socket = dir_ / "s";
  const int to = free_port();
  start("public = { address = \"unix:" + socket + "\", mode = \"0600\" }\n");
  EXPECT_EQ(ask("unix:" + socket), "1 1 - -");
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  EXPECT_EQ(ask("unix:" + socket), "2 1 - -");
  must({"commit", "steps"});
  EXPECT_FALSE(std::filesystem::exists(socket));
  EXPECT_EQ(ask(to), "2 1 - -");
}

TEST_F(ListenersTest, AnAddressThatIsInUseRefusesTheUpgradeAndTheListenerStays) {
  const int from = free_port();
  const UniqueFd taken = listen_on_loopback();
  start(at(from));
  reload(at(port_of(taken.get())));
  const auto refused = supervisor_.upgrade(program("steps-2"));
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_NE(refused.describe().find("listener public: binding "), std::string::npos)
      << refused.describe();
  EXPECT_EQ(ask(from), "1 1 - -");
  EXPECT_FALSE(listener(supervisor_.status(), "public").contains("also"));
}

// ---- what a release makes of it

TEST_F(ListenersTest, AReleaseMayServeWhateverItIsOffered) {
  const int one = free_port();
  const int two = free_port();
  const std::string first = "public = \"tcp:127.0.0.1:0\"\none = \"" + tcp(one) + "\"\n";
  write_file(path_, "[service.steps]\ncommand = [\"" + program("steps-1") +
                        "\", \"--offered\", \"all\"]\nprobation = \"0s\"\n" +
                        "[service.steps.listen]\n" + first);
  Supervisor::Options options{.command = {}, .name = "steps"};
  options.file = path_;
  supervisor_.start(std::move(options));
  LineClient client(tcp(one));
  EXPECT_EQ(client.ask("a"), "1 1 - -");
  reload(first + "two = \"" + tcp(two) + "\"\n");
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--offered", "all"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(client.ask("b"), "2 2 - -");
  EXPECT_EQ(ask(one), "2 1 - -");
  EXPECT_EQ(ask(two), "2 1 - -");
}

TEST_F(ListenersTest, WhatAReleaseGivesBackIsKeptAndNoReasonToRefuseIt) {
  const int port = free_port();
  const std::string listen = "public = \"tcp:127.0.0.1:0\"\nadmin = \"" + tcp(port) + "\"\n";
  write_file(path_, "[service.steps]\ncommand = [\"" + program("steps-1") +
                        "\", \"--also\", \"admin=tcp:127.0.0.1:0\"]\nprobation = \"0s\"\n" +
                        "unclaimed = { sessions = \"late\" }\n[service.steps.listen]\n" + listen);
  Supervisor::Options options{.command = {}, .name = "steps"};
  options.file = path_;
  supervisor_.start(std::move(options));
  const auto forgets = supervisor_.upgrade(program("steps-2"), {"--release", "2"});
  EXPECT_EQ(forgets.status, 1) << "nobody said what becomes of admin";
  EXPECT_EQ(forgets.done().at("error").at("code"), "unclaimed");
  supervisor_.settle();
  const auto no_way_back =
      supervisor_.upgrade(program("steps-2"), {"--gives-back", "admin", "--without", "2-1"});
  EXPECT_EQ(no_way_back.status, 1) << no_way_back.describe();
  EXPECT_EQ(no_way_back.done().at("error").at("code"), "one_way");
  supervisor_.settle();
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--gives-back", "admin"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("left_out")[0].at("becomes"), "kept") << upgrade.done();
  LineClient waits{tcp(port)};
  waits.say("x");
  const auto third = supervisor_.upgrade(program("steps-3"), {"--also", "admin=tcp:127.0.0.1:0"});
  ASSERT_EQ(third.status, 0) << third.describe();
  EXPECT_EQ(waits.next(), "3 1 - 1");
  supervisor_.settle();
  const auto drops = supervisor_.upgrade(program("steps-3"), {"--closes", "admin"});
  ASSERT_EQ(drops.status, 0) << drops.describe();
  EXPECT_EQ(drops.done().at("left_out")[0].at("becomes"), "closed") << drops.done();
  EXPECT_TRUE(refuses(port));
}

TEST_F(ListenersTest, AFreshStartMayGiveBackWhatItIsGiven) {
  const std::string listen = "public = \"tcp:127.0.0.1:0\"\nadmin = \"tcp:127.0.0.1:0\"\n";
  write_file(path_, "[service.steps]\ncommand = [\"" + program("steps-1") +
                        "\", \"--gives-back\", \"admin\"]\n[service.steps.listen]\n" + listen);
  Supervisor::Options options{.command = {}, .name = "steps"};
  options.file = path_;
  supervisor_.start(std::move(options));
  EXPECT_TRUE(listener(supervisor_.status(), "admin").value("kept", false));
}

// ---- many

TEST_F(ListenersTest, SixHundredListenersGoThroughAStartAnUpgradeAndTheNextSupervisors) {
  std::string listen = "public = \"tcp:127.0.0.1:0\"\n";
  for (int i = 0; i < 600; ++i) listen += "l" + std::to_string(i) + " = \"tcp:127.0.0.1:0\"\n";
  write_file(path_, "[service.steps]\ncommand = [\"" + program("steps-1") +
                        "\", \"--offered\", \"all\"]\nprobation = \"0s\"\n" +
                        "[service.steps.listen]\n" + listen);
  Supervisor::Options options{.command = {}, .name = "steps"};
  options.file = path_;
  supervisor_.start(std::move(options));
  const auto ports = [&] {
    std::map<std::string, std::string> out;
    const json status = supervisor_.status();
    for (const json& one : status.at("listeners")) {
      out[one.at("name")] = one.at("address");
    }
    return out;
  };
  const auto before = ports();
  ASSERT_EQ(before.size(), 601U);
  const auto all_answer = [&](const std::string& with) {
    for (const auto& [name, address] : before) ASSERT_EQ(ask(address), with) << name;
  };
  all_answer("1 1 - -");
  const auto upgrade = supervisor_.upgrade(program("steps-2"), {"--offered", "all"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  all_answer("2 1 - -");
  must({"upgrade", "--self"});
  EXPECT_EQ(ports(), before);
  supervisor_.kill();
  supervisor_.start_again();
  EXPECT_EQ(ports(), before);
  // The listeners that the process has shown are the supervisor's: it starts anew with them.
  const pid_t pid = supervisor_.service_pid();
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  supervisor_.wait_for_status([pid](const json& status) {
    return status.at("state") == "running" && status.at("pid") != pid;
  });
  EXPECT_EQ(ports(), before);
  all_answer("2 1 - -");
}

}  // namespace
}  // namespace handoff::test
