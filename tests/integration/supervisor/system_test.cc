// The supervisor and the system around it: signals, systemd, PID 1, config files, the shell.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/notify_socket.h"

namespace handoff::test {
namespace {

using nlohmann::json;

using SystemTest = SupervisorTest;

TEST_F(SystemTest, TerminateDrainsAndEnds) {
  supervisor.start(fake());
  const pid_t service = supervisor.service_pid();
  const Outcome outcome = supervisor.terminate();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find("stopped by the protocol"), std::string::npos);
  EXPECT_FALSE(hold(service).valid());
}

TEST_F(SystemTest, TheSecondSignalKills) {
  supervisor.start(fake({"--ignore", "stop"}));
  const pid_t service = supervisor.service_pid();
  supervisor.process().signal(SIGINT);
  supervisor.wait_for_state("stopping");
  supervisor.process().signal(SIGTERM);
  EXPECT_EQ(supervisor.process().wait(), 0);
  EXPECT_FALSE(hold(service).valid());
}

TEST_F(SystemTest, HangupIsNoReasonToGo) {
  supervisor.start(fake());
  supervisor.process().signal(SIGHUP);
  EXPECT_TRUE(supervisor.says("this supervisor has no config to read again"));
  EXPECT_EQ(supervisor.status().at("state"), "running");
}

TEST_F(SystemTest, AServiceIsInASessionOfItsOwn) {
  supervisor.start(fake());
  const pid_t service = supervisor.service_pid();
  EXPECT_EQ(::getsid(service), service) << "Ctrl-C in the supervisor's terminal is not for it";
}

TEST_F(SystemTest, TellsSystemd) {
  NotifySocket systemd;
  const std::string gate = supervisor.dir() / "gate";
  auto options = fake({"--wait-for", gate});
  options.environment = {
      {"NOTIFY_SOCKET", systemd.path()}, {"WATCHDOG_USEC", "1000"}, {"LISTEN_FDS", "3"}};
  supervisor.start(options);
  EXPECT_TRUE(systemd.hears("READY=1\nSTATUS=0 of 1 services running: chat is starting"))
      << systemd.heard();
  EXPECT_TRUE(systemd.hears("--\nSTATUS=1 of 1 services running\n")) << systemd.heard();
  EXPECT_NE(supervisor.process().out().find("NOTIFY_SOCKET=unset"), std::string::npos);
  const auto client = supervisor.begin({"upgrade", "chat", "--", "--release", "2"});
  EXPECT_TRUE(systemd.hears("chat is upgrading")) << systemd.heard();
  write_file(gate, "");
  EXPECT_EQ(client->wait(), 0);
  supervisor.process().signal(SIGTERM);
  EXPECT_TRUE(systemd.hears("STOPPING=1")) << systemd.heard();
  EXPECT_EQ(supervisor.process().wait(), 0);
  EXPECT_EQ(systemd.heard().find("READY=1"), systemd.heard().rfind("READY=1")) << "once";
}

TEST_F(SystemTest, ReapsOrphansAsPidOne) {
  ASSERT_EQ(std::system("unshare --pid --fork --mount-proc true"), 0)
      << "this test needs PID namespaces: run it as root, where the container or kernel allows "
         "them";
  auto options = fake({"--orphans", "5"});
  options.wrapper = {"/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc"};
  supervisor.start(options);
  Process& unshare = supervisor.process();
  // The numbers before the service's are those of the supervisor's threads.
  EXPECT_TRUE(std::regex_search(unshare.out(), std::regex("^pid=([0-9]{1,2}) HANDOFF_PID=\\1 ")))
      << unshare.out();
  EXPECT_NE(unshare.out().find("5 orphans"), std::string::npos);
  // The namespace's PID 1, as it is seen from here.
  const std::vector<pid_t> children = children_of(unshare.pid());
  ASSERT_EQ(children.size(), 1U);
  const pid_t init = children.front();
  // Zombies are children, too.
  EXPECT_TRUE(supervisor.eventually([&] { return children_of(init).size() == 1; }))
      << children_of(init).size();
  ::kill(init, SIGTERM);
  EXPECT_TRUE(supervisor.says("all services have stopped"));
}

// ---- config ---------------------------------------------------------------------------------

TEST_F(SystemTest, RunsWhatTheConfigSays) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config, "[service.chat]\ncommand = [\"" + fake_service() +
                         "\", \"--release\", \"c\"]\n"
                         "listen = { public = \"tcp:127.0.0.1:0\" }\n"
                         "env = { EXTRA = \"yes\" }\nworking_dir = \"/\"\n"
                         "[service.kv]\ncommand = [\"" +
                         fake_service() + "\"]\nrestart = false\n");
  supervisor.start(configured(config));
  EXPECT_EQ(ask_service(supervisor), "c 1");
  const std::string proc = "/proc/" + std::to_string(supervisor.status().at("pid").get<int>());
  EXPECT_NE(read_file(proc + "/environ").find("EXTRA=yes"), std::string::npos);
  EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
}

TEST_F(SystemTest, RefusesAConfigThatIsWrong) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config, "[service.chat]\ncommand = [\"x\"]\ndrian = \"3s\"\n");
  supervisor.run({"--config", config});
  const Outcome outcome = supervisor.process().finish();
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find(config + ":3: unknown key \"drian\" in [service.chat]; did you mean "
                                      "\"drain\"?"),
            std::string::npos)
      << outcome.err;
}

TEST_F(SystemTest, RefusesAServiceThatCantBe) {
  supervisor.run({"--name", "chat", "--", "/no/such/program"});
  EXPECT_NE(supervisor.process().finish().err.find("can't open /no/such/program"),
            std::string::npos);
  supervisor.run({"--name", "chat", "--", "no-such-program"});
  EXPECT_NE(supervisor.process().finish().err.find("in $PATH"), std::string::npos);
}

TEST_F(SystemTest, LogsAsJsonWhereThatIsAsked) {
  supervisor.start(fake({}, {"--json"}));
  const std::string log = supervisor.process().err();
  const json first = json::parse(log.substr(0, log.find('\n')));
  EXPECT_EQ(first.at("level"), "info");
  EXPECT_NE(first.at("message").get<std::string>().find("public listens on tcp:127.0.0.1:"),
            std::string::npos);
}

// ---- doctor and the shell -------------------------------------------------------------------

TEST_F(SystemTest, DoctorTellsWhatFollows) {
  const Outcome people = supervisor.command({"doctor"});
  EXPECT_EQ(people.status, 0) << people.out;
  EXPECT_NE(people.out.find("sessions a service"), std::string::npos);
  const json machine = json::parse(supervisor.command({"doctor", "--json"}).out);
  EXPECT_TRUE(machine.at("ok").get<bool>());
  EXPECT_GT(machine.at("findings").size(), 8U);
}

class CompletionTest : public SystemTest {
 protected:
  // What bash offers for the last of these words.
  std::string offered(const std::string& words) {
    const std::string script = supervisor.dir() / "complete.sh";
    write_file(script, "PATH=" + std::filesystem::path(program("handoff")).parent_path().string() +
                           ":$PATH\nexport HANDOFF_RUNTIME_DIR=" + supervisor.runtime() +
                           "\nsource <(handoff completion bash)\nCOMP_WORDS=(" + words +
                           ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_handoff\n"
                           "printf '%s\\n' \"${COMPREPLY[@]}\" | LC_ALL=C sort | xargs\n");
    const Outcome outcome = run({"/bin/bash", script});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  }
};

// What --help of a command has.
TEST_F(CompletionTest, OffersEachOptionOfEachCommand) {
  for (const char* command : {"run", "upgrade", "plan", "status", "history", "stop", "restart",
                              "rollback", "commit", "reload", "check", "doctor", "completion"}) {
    const std::string help = supervisor.command({command, "--help"}).out;
    std::set<std::string> options;
    const std::regex option("(?:^|\n) +(?:-[a-z],)?(--[a-z-]+)");
    for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end; ++at) {
      options.insert((*at)[1]);
    }
    EXPECT_TRUE(options.contains("--help")) << help;
    std::istringstream words(offered(std::string("handoff ") + command + " --"));
    std::set<std::string> found;
    for (std::string word; words >> word;) found.insert(word);
    EXPECT_EQ(found, options) << command;
  }
}

TEST_F(CompletionTest, AnOptionMayBeAFlagOfOneCommandAndHaveAFileInAnother) {
  supervisor.start(fake());
  EXPECT_EQ(offered("handoff upgrade --config ''"), "chat\n");
  EXPECT_EQ(offered("handoff check --config /etc/passw"), "/etc/passwd /etc/passwd-\n");
}

TEST_F(CompletionTest, KnowsCommandsOptionsAndServices) {
  EXPECT_EQ(offered("handoff up"), "upgrade\n");
  EXPECT_EQ(offered("handoff st"), "status stop\n");
  EXPECT_EQ(offered("handoff upgrade --fr"), "--freeze-budget\n");
  EXPECT_EQ(offered("handoff upgrade --drain 2"), "250ms 2m\n");
  EXPECT_EQ(offered("handoff completion ''"), "bash\n");
  EXPECT_EQ(offered("handoff upgrade ''"), "\n") << "no supervisor, no services";
  supervisor.start(fake());
  EXPECT_EQ(offered("handoff upgrade ''"), "chat\n") << "and none of its listeners";
  EXPECT_EQ(offered("handoff stop --json c"), "chat\n");
  EXPECT_EQ(offered("handoff upgrade chat /etc/passw"), "/etc/passwd /etc/passwd-\n");
}

}  // namespace
}  // namespace handoff::test
