// `handoff reload` and SIGHUP: what changes at once, what later, what can't, and that a mistake in
// the file changes nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ReloadTest : public SupervisorTest {
 protected:
  static std::string service(const std::string& name, const std::string& args,
                             const std::string& more = "") {
    return "[service." + name + "]\ncommand = [\"" + fake_service() + "\"" + args +
           "]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n" + more;
  }
  void start(const std::string& config) {
    write_file(path, config);
    supervisor.start(configured(path));
  }
  json reload(const std::string& config, int status = 0) {
    write_file(path, config);
    const Outcome outcome = supervisor.command({"reload", "--json"});
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    return json::parse(outcome.out, nullptr, false);
  }
  // "SERVICE KEY WHEN" of each line.
  static std::vector<std::string> lines(const json& answer, const char* which) {
    std::vector<std::string> out;
    for (const json& line : answer.at(which)) {
      out.push_back(line.at("service").get<std::string>() + " " +
                    (line.at("key").is_null() ? "-" : line.at("key").get<std::string>()) +
                    (line.contains("when") ? " " + line.at("when").get<std::string>() : ""));
    }
    return out;
  }
  using Lines = std::vector<std::string>;

  std::string path = supervisor.dir() / "handoff.toml";
};

TEST_F(ReloadTest, DeadlinesHoldAtOnceAndTheProcessStays) {
  start(service("chat", ", \"--ignore\", \"stop\""));
  const json before = supervisor.status();
  const json answer = reload(service("chat", ", \"--ignore\", \"stop\"", "drain = \"100ms\"\n"));
  EXPECT_EQ(lines(answer, "changed"), Lines{"chat drain now"});
  EXPECT_EQ(answer.at("unchanged"), json::array());
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_NE(supervisor.log().find("was killed by SIGKILL"), std::string::npos);
  const std::vector<json> history = supervisor.history();
  const auto reloaded =
      std::ranges::find(history, "reload", [](const json& row) { return row.at("event"); });
  ASSERT_NE(reloaded, history.end());
  const json& last = *reloaded;
  EXPECT_EQ(last.at("uid"), ::getuid());
  EXPECT_EQ(last.at("changed").size(), 1U);
}

TEST_F(ReloadTest, WithoutRestartItStaysDownFromNowOn) {
  start(service("chat", ""));
  reload(service("chat", "", "restart = false\n"));
  ::kill(supervisor.status().at("pid"), SIGKILL);
  supervisor.wait_for_state("failed");
}

TEST_F(ReloadTest, TheEnvironmentIsThatOfTheNextProcess) {
  start(service("chat", ""));
  const json answer = reload(service("chat", "", "env = { NOTIFY_SOCKET = \"changed\" }\n"));
  EXPECT_EQ(lines(answer, "changed"), Lines{"chat env next_start"});
  EXPECT_EQ(supervisor.process().out().find("NOTIFY_SOCKET=set"), std::string::npos);
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_NE(supervisor.process().out().find("NOTIFY_SOCKET=set"), std::string::npos);
}

TEST_F(ReloadTest, TheCommandIsThatOfTheNextUpgrade) {
  start(service("chat", ""));
  const int port = supervisor.port();
  const json answer = reload(service("chat", ", \"--release\", \"2.0\""));
  EXPECT_EQ(lines(answer, "changed"), Lines{"chat command next_upgrade"});
  EXPECT_EQ(ask_service(supervisor), "1.0 1");
  ::kill(supervisor.status().at("pid"), SIGKILL);
  EXPECT_TRUE(supervisor.eventually([&] { return ask_service(supervisor) == "1.0 2"; }))
      << "a crash is no upgrade";
  EXPECT_EQ(supervisor.command({"upgrade", "chat"}).status, 0);
  EXPECT_EQ(ask_service(supervisor), "2.0 3");
  EXPECT_EQ(supervisor.port(), port);
  EXPECT_EQ(lines(reload(service("chat", ", \"--release\", \"2.0\"")), "changed"), Lines{});
}

TEST_F(ReloadTest, AServiceThatIsNewIsStarted) {
  start(service("chat", ""));
  const json answer = reload(service("chat", "") + service("kv", ", \"--release\", \"7\""));
  EXPECT_EQ(lines(answer, "changed"), Lines{"kv - now"});
  supervisor.wait_for_state("running", "kv");
  EXPECT_EQ(supervisor.status("kv").at("release"), "7");
}

TEST_F(ReloadTest, AServiceThatIsGoneFromTheFileRunsUntilItIsStopped) {
  start(service("chat", "") + service("kv", ""));
  supervisor.wait_for_state("running", "kv");
  json answer = reload(service("chat", ""));
  EXPECT_EQ(lines(answer, "unchanged"), Lines{"kv -"});
  EXPECT_NE(answer.at("unchanged").at(0).at("message").get<std::string>().find("handoff stop kv"),
            std::string::npos);
  EXPECT_EQ(supervisor.status("kv").at("state"), "running");
  EXPECT_EQ(supervisor.command({"stop", "kv"}).status, 0);
  const std::size_t fds = supervisor.settled_files().size();
  answer = reload(service("chat", ""));
  EXPECT_EQ(lines(answer, "changed"), Lines{"kv - now"});
  EXPECT_EQ(supervisor.command({"status", "kv"}).status, 4);
  // A thread removes what was kept of it.
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.settled_files().size() < fds; }))
      << "its listener is closed";
  EXPECT_EQ(lines(reload(service("chat", "") + service("kv", "")), "changed"), Lines{"kv - now"});
  supervisor.wait_for_state("running", "kv");
}

// A real one outlives its supervisor.
TEST_F(ReloadTest, AServiceThatIsGoneFromTheFileRunsOnUnderTheNextSupervisor) {
  const std::string kv = "[service.kv]\ncommand = [\"" + program("handoff-echo-1") +
                         "\", \"--name\", \"kv\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  start(service("chat", "") + kv);
  supervisor.wait_for_state("running", "kv");
  reload(service("chat", ""));
  const json before = supervisor.status("kv");
  EXPECT_EQ(before.at("in_config"), false);
  EXPECT_EQ(supervisor.status("chat").at("in_config"), true);
  const auto goes_on = [&] {
    supervisor.wait_for_state("running", "kv");
    const json now = supervisor.status("kv");
    EXPECT_EQ(now.at("pid"), before.at("pid"));
    EXPECT_EQ(now.at("listeners"), before.at("listeners"));
    EXPECT_EQ(now.at("in_config"), false);
    const Outcome table = supervisor.command({"status"});
    EXPECT_NE(table.out.find("kv is not in the configuration any more"), std::string::npos)
        << table.out;
  };
  goes_on();
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0) << supervisor.log();
  goes_on();
  supervisor.kill();
  supervisor.start(configured(path));
  goes_on();
  EXPECT_EQ(supervisor.command({"restart", "kv"}).status, 0);
  // Put back, it is a service like any other; and gone again.
  reload(service("chat", "") + kv);
  EXPECT_EQ(supervisor.status("kv").at("in_config"), true);
  reload(service("chat", ""));
  const UniqueFd process = hold(supervisor.status("kv").at("pid").get<pid_t>());
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_TRUE(wait_end(process)) << "as the end of a supervisor ends its services";
}

TEST_F(ReloadTest, OneThatIsGoneFromTheFileCanBeStoppedUnderTheNextSupervisor) {
  const std::string kv = "[service.kv]\ncommand = [\"" + program("handoff-echo-1") +
                         "\", \"--name\", \"kv\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  start(service("chat", "") + kv);
  supervisor.wait_for_state("running", "kv");
  reload(service("chat", ""));
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0) << supervisor.log();
  EXPECT_EQ(supervisor.command({"stop", "kv"}).status, 0);
  EXPECT_EQ(lines(reload(service("chat", "")), "changed"), Lines{"kv - now"});
  EXPECT_EQ(supervisor.command({"status", "kv"}).status, 4);
}

// A service that is written into the file again is wanted: it runs.
TEST_F(ReloadTest, OneThatWasStoppedAndForgottenIsANewOneWhenItComesBack) {
  start(service("chat", "") + service("kv", ""));
  EXPECT_EQ(supervisor.command({"stop", "kv"}).status, 0);
  const std::string kept = supervisor.runtime() + "/kept/kv";
  EXPECT_TRUE(supervisor.eventually([&] { return fs::exists(kept + "/choice.json"); }));
  reload(service("chat", ""));
  EXPECT_TRUE(supervisor.eventually([&] { return !fs::exists(kept); }));
  ASSERT_EQ(supervisor.terminate().status, 0);
  write_file(path, service("chat", "") + service("kv", ""));
  supervisor.start_again();
  supervisor.wait_for_state("running", "kv");
}

TEST_F(ReloadTest, AListenerIsNotReplacedUnderAService) {
  start(service("chat", ""));
  const std::string socket = supervisor.dir() / "s";
  const std::string other = "[service.chat]\ncommand = [\"" + fake_service() +
                            "\"]\nlisten = { local = \"unix:" + socket + "\" }\n";
  json answer = reload(other);
  EXPECT_EQ(lines(answer, "changed"), Lines{"chat listen.local next_upgrade"});
  EXPECT_EQ(lines(answer, "unchanged"), Lines{"chat listen.public"});
  EXPECT_EQ(ask_service(supervisor), "1.0 1");
  EXPECT_EQ(supervisor.status().at("listeners").size(), 1U);
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  answer = reload(other);
  EXPECT_EQ(lines(answer, "changed"), Lines{"chat listen.public fresh_start"});
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  const json listeners = supervisor.status().at("listeners");
  ASSERT_EQ(listeners.size(), 1U);
  EXPECT_EQ(listeners.at(0).at("address"), "unix:" + socket);
  EXPECT_TRUE(std::filesystem::exists(socket));
}

TEST_F(ReloadTest, AFileWithAMistakeChangesNothing) {
  start(service("chat", ""));
  const std::size_t fds = supervisor.settled_files().size();
  const json before = supervisor.status();
  // The good news in it, too.
  const json answer = reload(service("chat", "", "drain = \"1m\"\ndrian = \"1m\"\n"), 1);
  EXPECT_EQ(answer.at("error").at("message"),
            path + ":5: unknown key \"drian\" in [service.chat]; did you mean \"drain\"?");
  const std::string taken = supervisor.dir() / "taken";
  write_file(taken, "no socket");
  const std::string spare = supervisor.dir() / "spare";
  reload(service("chat", "", "restart = false\n") + service("a", "") +
             "[service.z]\ncommand = [\"" + fake_service() + "\"]\nlisten = { a = \"unix:" + spare +
             "\", b = \"unix:" + taken + "\" }\n",
         1);
  EXPECT_EQ(supervisor.command({"status", "a"}).status, 4);
  EXPECT_EQ(supervisor.command({"status", "z"}).status, 4);
  EXPECT_FALSE(std::filesystem::exists(spare));
  EXPECT_EQ(supervisor.settled_files().size(), fds);
  EXPECT_EQ(supervisor.status(), before);
  ::kill(before.at("pid"), SIGKILL);
  EXPECT_TRUE(supervisor.eventually([&] { return ask_service(supervisor) == "1.0 2"; }));
  const json last = supervisor.history("reload").back();
  EXPECT_EQ(last.at("result"), "failed");
  const Outcome person = supervisor.command({"reload"});
  EXPECT_EQ(person.status, 1);
  EXPECT_NE(person.err.find("everything stays as it is"), std::string::npos);
}

TEST_F(ReloadTest, WhatCouldNotBeToldLaterIsNotChanged) {
  Supervisor full;
  const std::string required = "history = \"required\"\n";
  write_file(path, required + service("chat", ""));
  full.start(configured(path, {{"HANDOFF_FAILPOINT", "supervisor.record.before=error:ENOSPC"}}));
  write_file(path, required + service("chat", "", "restart = false\n") + service("kv", ""));
  const Outcome refused = full.command({"reload"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("No space left on device"), std::string::npos) << refused.err;
  EXPECT_EQ(full.command({"status", "kv"}).status, 4);
  ::kill(full.status().at("pid"), SIGKILL);
  EXPECT_TRUE(full.eventually([&] { return ask_service(full) == "1.0 2"; })) << "it is restarted";
  EXPECT_EQ(full.command({"reload"}).status, 0) << "there is room again";
  full.wait_for_state("running", "kv");
}

TEST_F(ReloadTest, ThePathOfAListenerThatSomebodyHasRemovedIsMadeAgain) {
  const std::string socket = supervisor.dir() / "public.sock";
  // A real one: it comes back to the next supervisor.
  const std::string config = "[service.chat]\ncommand = [\"" + program("handoff-echo-1") +
                             "\", \"--name\", \"chat\"]\nlisten = { public = \"unix:" + socket +
                             "\" }\n";
  start(config);
  const pid_t pid = supervisor.service_pid();
  const auto problem = [this] { return supervisor.status().at("listeners").at(0).at("problem"); };
  EXPECT_TRUE(problem().is_null());
  fs::remove(socket);
  EXPECT_NE(problem().get<std::string>().find("somebody has removed " + socket), std::string::npos);
  const Outcome people = supervisor.command({"status"});
  EXPECT_NE(people.out.find("! chat: listener public: somebody has removed " + socket),
            std::string::npos)
      << people.out;
  EXPECT_EQ(lines(reload(config), "changed"), Lines{"chat listen.public now"});
  EXPECT_TRUE(problem().is_null());
  EXPECT_TRUE(fs::is_socket(socket));
  EXPECT_EQ(supervisor.service_pid(), pid) << "the service has noticed nothing";
  // A supervisor that was killed has left its names, and the next one knows by them.
  supervisor.kill();
  fs::remove(socket);
  start(config);
  EXPECT_EQ(supervisor.service_pid(), pid);
  EXPECT_TRUE(problem().is_string());
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_TRUE(fs::is_socket(socket));
  supervisor.terminate();
  EXPECT_FALSE(fs::exists(socket));
  EXPECT_TRUE(fs::is_empty(supervisor.runtime() + "/listeners"));
}

TEST_F(ReloadTest, OnesOfTheSupervisorItselfAreInForceAtOnce) {
  start(service("chat", ""));
  const json answer = reload("history = \"required\"\nhistory_size = \"1MB\"\nhistory_keep = 2\n" +
                             service("chat", ""));
  std::vector<std::string> keys;
  for (const json& line : answer.at("changed")) {
    EXPECT_TRUE(line.at("service").is_null()) << line;
    keys.push_back(line.at("key"));
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"history", "history_size", "history_keep"}));
  const json status = json::parse(supervisor.command({"status", "--json"}).out);
  EXPECT_EQ(status.at("history").at("required"), true) << status;
}

// A folder can't be written to, whoever runs this.
TEST_F(ReloadTest, AHistoryThatIsNotRequiredKeepsNoReloadFromBeingTaken) {
  start("history = \"required\"\n" + service("chat", ""));
  const std::string history = supervisor.runtime() + "/history.jsonl";
  std::filesystem::remove(history);
  std::filesystem::create_directory(history);
  write_file(path, "history = \"required\"\n" + service("chat", "", "restart = false\n"));
  EXPECT_EQ(supervisor.command({"reload"}).status, 1);
  write_file(path, service("chat", "", "restart = false\n"));
  const Outcome taken = supervisor.command({"reload"});
  EXPECT_EQ(taken.status, 0) << taken.describe();
}

TEST_F(ReloadTest, ANewLimitOfGenerationsHoldsForTheNextUpgrade) {
  // A real one: it keeps the sessions that are busy.
  const auto echo = [](int version) { return program("handoff-echo-" + std::to_string(version)); };
  const auto limited = [&echo](int limit) {
    return "[service.chat]\ncommand = [\"" + echo(1) +
           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\nmax_generations = " +
           std::to_string(limit) + "\n";
  };
  start(limited(2));
  LineClient busy(supervisor.port());
  busy.ask("hold");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  const auto refused = supervisor.upgrade(echo(1));
  EXPECT_EQ(refused.status, 1) << refused.describe();
  EXPECT_EQ(refused.done().at("error").at("code"), "generations") << refused.describe();
  EXPECT_EQ(lines(reload(limited(3)), "changed"), Lines{"chat max_generations now"});
  const auto upgrade = supervisor.upgrade(echo(1));
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
}

TEST_F(ReloadTest, HangupReadsItAgain) {
  start(service("chat", ""));
  write_file(path, service("chat", "", "drain = \"1s\"\n"));
  supervisor.process().signal(SIGHUP);
  EXPECT_TRUE(supervisor.says("reload: chat: drain: 30.0 s -> 1.00 s"));
}

TEST_F(ReloadTest, WithoutAFileThereIsNothingToReadAgain) {
  supervisor.start(fake());
  const Outcome refused = supervisor.command({"reload"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("this supervisor has no config to read again"), std::string::npos)
      << refused.err;
  EXPECT_EQ(supervisor.status().at("state"), "running");
}

TEST_F(ReloadTest, OptionsOfTheCommandLineStayOverTheFile) {
  write_file(path, service("chat", ", \"--ignore\", \"stop\"", "drain = \"1m\"\n"));
  auto options = configured(path);
  options.run_flags = {"--drain", "100ms"};
  supervisor.start(options);
  const json answer = reload(service("chat", ", \"--ignore\", \"stop\"", "drain = \"2m\"\n"));
  EXPECT_EQ(lines(answer, "changed"), Lines{});
}

TEST_F(ReloadTest, AServiceThatWasPutBackIsAdopted) {
  // A real one: it outlives its supervisor.
  const std::string echo = program("handoff-echo-1");
  const std::string kv = "[service.kv]\ncommand = [\"" + echo +
                         "\", \"--name\", \"kv\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  start(service("chat", "") + kv);
  supervisor.wait_for_state("running", "kv");
  const json before = supervisor.status("kv");
  supervisor.kill();
  write_file(path, service("chat", ""));
  supervisor.start(configured(path));
  EXPECT_EQ(supervisor.command({"status", "kv"}).status, 4);
  EXPECT_EQ(lines(reload(service("chat", "") + kv), "changed"), Lines{"kv - now"});
  supervisor.wait_for_state("running", "kv");
  EXPECT_EQ(supervisor.status("kv").at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status("kv").at("listeners"), before.at("listeners"));
  EXPECT_EQ(supervisor.command({"restart", "kv"}).status, 0);
}

}  // namespace
}  // namespace handoff::test
