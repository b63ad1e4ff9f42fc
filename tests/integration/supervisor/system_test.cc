// The supervisor and the system around it: signals, systemd, PID 1, config files, the shell.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "supervised.h"

namespace handoff::test::supervised {
namespace {

using nlohmann::json;

class SystemTest : public testing::Test {
 protected:
  Supervised supervisor;
};

bool alive(pid_t pid) { return ::kill(pid, 0) == 0; }

TEST_F(SystemTest, TerminateDrainsAndEnds) {
  supervisor.start({});
  const pid_t service = supervisor.status().at("pid");
  const Outcome outcome = supervisor.terminate();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find("stopped by the protocol"), std::string::npos);
  EXPECT_FALSE(alive(service));
}

TEST_F(SystemTest, TheSecondSignalKills) {
  supervisor.start({"--ignore", "stop"});
  const pid_t service = supervisor.status().at("pid");
  supervisor.process().signal(SIGINT);
  EXPECT_TRUE(supervisor.wait_for_state("stopping"));
  supervisor.process().signal(SIGTERM);
  EXPECT_EQ(supervisor.process().wait(5s).status, 0);
  EXPECT_FALSE(alive(service));
}

TEST_F(SystemTest, HangupIsNoReasonToGo) {
  supervisor.start({});
  supervisor.process().signal(SIGHUP);
  EXPECT_TRUE(eventually([&] {
    return supervisor.log().find("this supervisor has no config to read again") !=
           std::string::npos;
  }));
  EXPECT_EQ(supervisor.status().at("state"), "running");
}

TEST_F(SystemTest, AServiceIsInASessionOfItsOwn) {
  supervisor.start({});
  const pid_t service = supervisor.status().at("pid");
  EXPECT_EQ(::getsid(service), service) << "Ctrl-C in the supervisor's terminal is not for it";
}

TEST_F(SystemTest, TellsSystemd) {
  const std::string path = supervisor.dir() / "notify";
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  std::string heard;
  const auto hears = [&](const std::string& text) {
    return eventually([&] {
      char buffer[1024];
      const ssize_t n = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) heard += std::string(buffer, static_cast<std::size_t>(n)) + "\n--\n";
      return heard.find(text) != std::string::npos;
    });
  };
  Supervised notified({{"NOTIFY_SOCKET", path}, {"WATCHDOG_USEC", "1000"}, {"LISTEN_FDS", "3"}});
  const std::string gate = supervisor.dir() / "gate";
  notified.start({"--wait-for", gate});
  EXPECT_TRUE(hears("READY=1\nSTATUS=0 of 1 services running: chat is starting")) << heard;
  EXPECT_TRUE(hears("--\nSTATUS=1 of 1 services running\n")) << heard;
  EXPECT_NE(notified.process().out().find("NOTIFY_SOCKET=unset"), std::string::npos);
  const auto client = notified.cli_start({"upgrade", "chat", "--", "--release", "2"}, "client");
  EXPECT_TRUE(hears("chat is upgrading")) << heard;
  write_file(gate, "");
  EXPECT_EQ(client->wait().status, 0);
  notified.process().signal(SIGTERM);
  EXPECT_TRUE(hears("STOPPING=1")) << heard;
  EXPECT_EQ(notified.process().wait().status, 0);
  EXPECT_EQ(heard.find("READY=1"), heard.rfind("READY=1")) << "once";
  ::close(socket);
}

TEST_F(SystemTest, ReapsOrphansAsPidOne) {
  ASSERT_EQ(std::system("unshare --pid --fork --mount-proc true"), 0)
      << "this test needs PID namespaces: run it as root, where the container or kernel allows "
         "them";
  const std::string runtime = supervisor.runtime();
  const Environment environment{{"HANDOFF_RUNTIME_DIR", runtime}};
  const Child unshare(
      {"/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc", handoff_program(),
       "run", "--name", "chat", "--", fake_service(), "--orphans", "5"},
      environment, supervisor.dir() / "unshare");
  ASSERT_TRUE(supervisor.wait_for_state("running")) << unshare.err();
  EXPECT_NE(unshare.out().find("pid=2 HANDOFF_PID=2"), std::string::npos) << unshare.out();
  // The namespace's PID 1, as it is seen from here.
  const std::string children = "/proc/" + std::to_string(unshare.pid()) + "/task/" +
                               std::to_string(unshare.pid()) + "/children";
  const pid_t init = std::atoi(read_file(children).c_str());
  ASSERT_GT(init, 0);
  const std::string mine =
      "/proc/" + std::to_string(init) + "/task/" + std::to_string(init) + "/children";
  EXPECT_NE(unshare.out().find("5 orphans"), std::string::npos);
  EXPECT_TRUE(eventually([&] {
    const std::string list = read_file(mine);  // "PID " for each, zombies too
    return std::count(list.begin(), list.end(), ' ') == 1;
  })) << read_file(mine);
  ::kill(init, SIGTERM);
  EXPECT_TRUE(eventually([&] {
    return unshare.err().find("all services have stopped") != std::string::npos;
  })) << unshare.err();
}

// ---- config
// --------------------------------------------------------------------------------------

TEST_F(SystemTest, RunsWhatTheConfigSays) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config, "[service.chat]\ncommand = [\"" + fake_service() +
                         "\", \"--release\", \"c\"]\n"
                         "listen = { public = \"tcp:127.0.0.1:0\" }\n"
                         "env = { EXTRA = \"yes\" }\nworking_dir = \"/\"\n"
                         "[service.kv]\ncommand = [\"" +
                         fake_service() + "\"]\nrestart = false\n");
  supervisor.run({"--config", config});
  ASSERT_TRUE(supervisor.wait_for_state("running", "chat"));
  ASSERT_TRUE(supervisor.wait_for_state("running", "kv"));
  EXPECT_EQ(supervisor.ask_service(), "c 1");
  const std::string proc = "/proc/" + std::to_string(supervisor.status().at("pid").get<int>());
  EXPECT_NE(read_file(proc + "/environ").find("EXTRA=yes"), std::string::npos);
  EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
}

TEST_F(SystemTest, RefusesAConfigThatIsWrong) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config, "[service.chat]\ncommand = [\"x\"]\ndrian = \"3s\"\n");
  supervisor.run({"--config", config});
  const Outcome outcome = supervisor.process().wait();
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find(config + ":3: unknown key \"drian\" in [service.chat]; did you mean "
                                      "\"drain\"?"),
            std::string::npos)
      << outcome.err;
}

TEST_F(SystemTest, RefusesAServiceThatCantBe) {
  supervisor.run({"--name", "chat", "--", "/no/such/program"});
  EXPECT_NE(supervisor.process().wait().err.find("can't open /no/such/program"), std::string::npos);
  supervisor.run({"--name", "chat", "--", "no-such-program"});
  EXPECT_NE(supervisor.process().wait().err.find("in $PATH"), std::string::npos);
}

TEST_F(SystemTest, LogsAsJsonWhereThatIsAsked) {
  supervisor.start({}, {"--json"});
  const std::string log = supervisor.process().err();
  const json first = json::parse(log.substr(0, log.find('\n')));
  EXPECT_EQ(first.at("level"), "info");
  EXPECT_NE(first.at("message").get<std::string>().find("public listens on tcp:127.0.0.1:"),
            std::string::npos);
}

// ---- doctor and the shell
// ------------------------------------------------------------------------

TEST_F(SystemTest, DoctorTellsWhatFollows) {
  const Outcome people = supervisor.cli({"doctor"});
  EXPECT_EQ(people.status, 0) << people.out;
  EXPECT_NE(people.out.find("sessions a service"), std::string::npos);
  const json machine = json::parse(supervisor.cli({"doctor", "--json"}).out);
  EXPECT_TRUE(machine.at("ok").get<bool>());
  EXPECT_GT(machine.at("findings").size(), 8U);
}

class CompletionTest : public SystemTest {
 protected:
  // What bash offers for the last of these words.
  std::string offered(const std::string& words) {
    const std::string script = supervisor.dir() / "complete.sh";
    write_file(script, "PATH=" + std::filesystem::path(handoff_program()).parent_path().string() +
                           ":$PATH\nexport HANDOFF_RUNTIME_DIR=" + supervisor.runtime() +
                           "\nsource <(handoff completion bash)\nCOMP_WORDS=(" + words +
                           ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_handoff\n"
                           "printf '%s\\n' \"${COMPREPLY[@]}\" | LC_ALL=C sort | xargs\n");
    Child bash({"/bin/bash", script}, {}, supervisor.dir() / "bash");
    const Outcome outcome = bash.wait();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  }
};

TEST_F(CompletionTest, KnowsCommandsOptionsAndServices) {
  EXPECT_EQ(offered("handoff up"), "upgrade\n");
  EXPECT_EQ(offered("handoff st"), "status stop\n");
  EXPECT_EQ(offered("handoff upgrade --fr"), "--freeze-budget\n");
  EXPECT_EQ(offered("handoff upgrade --drain 2"), "250ms 2m\n");
  EXPECT_EQ(offered("handoff completion ''"), "bash\n");
  EXPECT_EQ(offered("handoff upgrade ''"), "\n") << "no supervisor, no services";
  supervisor.start({});
  EXPECT_EQ(offered("handoff upgrade ''"), "chat\n") << "and none of its listeners";
  EXPECT_EQ(offered("handoff stop --json c"), "chat\n");
  EXPECT_EQ(offered("handoff upgrade chat /etc/passw"), "/etc/passwd /etc/passwd-\n");
}

}  // namespace
}  // namespace handoff::test::supervised
